/** Wires the parts together. Nothing starts before a Python file mentions mvm, or the user asks for something. */

import * as vscode from 'vscode';

import { Ctl } from './ctl';
import { doctor } from './doctor';
import { Jobs, type Target } from './jobs';
import { Machines, isMachine, type Machine } from './machines';
import type { Json } from './protocol';
import { Preview } from './preview';
import { Server, mentions } from './server';
import { Status } from './status';

const target = (given: unknown): Target | undefined => {
  // Lenses hand over an object, the editor's title a URI, the palette nothing.
  if (given instanceof vscode.Uri) {
    return { uri: given.toString() };
  }
  const object = given as { uri?: unknown; name?: unknown; function?: unknown; arguments?: Json } | undefined;
  if (typeof object?.uri !== 'string') {
    return undefined;
  }
  const uri = vscode.Uri.parse(object.uri).toString();
  const target: Target = { uri };
  if (typeof object.name === 'string') {
    target.name = object.name;
  }
  if (typeof object.function === 'string') {
    target.function = object.function;
  }
  if (object.arguments !== undefined) {
    target.arguments = object.arguments;
  }
  return target;
};

/** The lines that a change touched. */
const around = (document: vscode.TextDocument, change: vscode.TextDocumentContentChangeEvent): string => {
  const from = change.range.start.line;
  return document.getText(new vscode.Range(from, 0, from + change.text.split('\n').length, 0));
};

let running: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const server = (running = new Server(context));
  const preview = new Preview(context, server);
  const jobs = new Jobs(server, preview, context.workspaceState);
  const ctl = new Ctl(context.extensionPath, server);
  const machines = new Machines(ctl, context.workspaceState, jobs.channel);
  const health = vscode.window.createOutputChannel('mvm doctor');
  const on = (name: string, run: (given: unknown) => unknown): void => {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  };
  on('mvm.showIr', (given) => {
    const uri = target(given)?.uri ?? vscode.window.activeTextEditor?.document.uri.toString() ?? preview.active?.toString();
    return uri === undefined ? undefined : preview.show(vscode.Uri.parse(uri));
  });
  on('mvm.build', (given) => jobs.start('mvm.build', target(given)));
  on('mvm.run', (given) => jobs.start('mvm.run', target(given)));
  on('mvm.runAgain', (given) => {
    const last = target(given);
    return last && jobs.again(last.uri, last.name ?? '');
  });
  on('mvm.stop', (given) => jobs.stop(target(given)));
  const forward = async (command: string, given: unknown): Promise<unknown> => {
    const client = await server.get();
    return client?.sendRequest('workspace/executeCommand', { command, arguments: [given] });
  };
  on('mvm.storeSecret', (given) => forward('mvm.storeSecret', given));
  on('mvm.pinImage', (given) => {
    // An action hands over which image, the palette nothing: then all of the file that is shown.
    const shown = vscode.window.activeTextEditor?.document.uri.toString();
    return forward('mvm.pinImage', given ?? { uri: shown });
  });
  on('mvm.restart', () => server.restart());
  on('mvm.showLog', () => server.log.show());
  on('mvm.showOutput', () => jobs.showOutput());
  on('mvm.toggleTrace', () => toggleTrace(server));
  on('mvm.doctor', () => doctor(ctl, health));
  on('mvm.up', async (given) => {
    const built = await jobs.built(target(given));
    return built && machines.up(built.workload, built.app);
  });
  on('mvm.machines.refresh', () => machines.refresh());
  const onMachine = (name: string, run: (machine: Machine) => unknown): void => on(name, async (given) => {
    const machine = isMachine(given) ? given : await machines.pick();
    return machine && run(machine);
  });
  onMachine('mvm.machine.logs', (machine) => machines.logs(machine));
  onMachine('mvm.machine.call', (machine) => machines.call(machine));
  onMachine('mvm.machine.stop', (machine) => machines.stop(machine));

  const consider = (document: vscode.TextDocument): void => {
    if (document.languageId === 'python' && server.state === 'idle' && mentions(document.getText())) {
      void server.start();
    }
  };
  const offer = (editor: vscode.TextEditor | undefined): void => {
    const declares = editor?.document.languageId === 'python' && mentions(editor.document.getText());
    void vscode.commands.executeCommand('setContext', 'mvm.declares', declares);
  };
  const activity = server.onDidChange(() => void vscode.commands.executeCommand('setContext', 'mvm.used', server.state !== 'idle'));
  context.subscriptions.push(
    activity,
    server,
    preview,
    jobs,
    machines,
    health,
    jobs.onDidChange(() => void machines.refreshIfShown()),
    new Status(server, jobs),
    vscode.workspace.onDidOpenTextDocument(consider),
    vscode.workspace.onDidSaveTextDocument((document) => {
      consider(document);
      offer(vscode.window.activeTextEditor);
    }),
    vscode.workspace.onDidChangeTextDocument((event) => {
      if (event.contentChanges.some((change) => mentions(around(event.document, change)))) {
        consider(event.document);
      }
    }),
    vscode.window.onDidChangeActiveTextEditor(offer),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (server.state !== 'idle') {
        void server.restart();
      }
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('mvm.server.path') && server.state !== 'idle') {
        void server.restart();
      }
    }),
  );
  vscode.workspace.textDocuments.forEach(consider);
  offer(vscode.window.activeTextEditor);
}

/** Writes the traffic with the server to its log, or stops that. */
async function toggleTrace(server: Server): Promise<void> {
  const settings = vscode.workspace.getConfiguration('mvm');
  const on = settings.get<string>('trace.server', 'off') === 'off';
  await settings.update('trace.server', on ? 'verbose' : 'off', vscode.ConfigurationTarget.Global);
  if (on) {
    server.log.show();
  }
  void vscode.window.showInformationMessage(on ? 'mvm: the traffic with the server is written to its log, at level Trace.' : 'mvm: the traffic with the server is no longer written.');
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}
