/** Wires the parts together. Nothing starts before a Python file mentions mvm, or the user asks for something. */

import * as vscode from 'vscode';

import { doctor } from './doctor';
import { Jobs, type Target } from './jobs';
import { Preview } from './preview';
import { Server, mentions } from './server';
import { Status } from './status';

const target = (given: unknown): Target | undefined => {
  // Lenses hand over an object, the editor's title a URI, the palette nothing.
  if (given instanceof vscode.Uri) {
    return { uri: given.toString() };
  }
  const object = given as { uri?: unknown; name?: unknown } | undefined;
  if (typeof object?.uri !== 'string') {
    return undefined;
  }
  const uri = vscode.Uri.parse(object.uri).toString();
  return typeof object.name === 'string' ? { uri, name: object.name } : { uri };
};

let running: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const server = (running = new Server(context));
  const preview = new Preview(context, server);
  const jobs = new Jobs(server, preview, context.workspaceState);
  const health = vscode.window.createOutputChannel('mvm doctor');
  const on = (name: string, run: (given: unknown) => unknown): void => {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  };
  on('mvm.showIr', (given) => {
    const uri = target(given)?.uri ?? vscode.window.activeTextEditor?.document.uri.toString();
    return uri === undefined ? undefined : preview.show(vscode.Uri.parse(uri));
  });
  on('mvm.build', (given) => jobs.start('mvm.build', target(given)));
  on('mvm.run', (given) => jobs.start('mvm.run', target(given)));
  on('mvm.stop', (given) => jobs.stop(target(given)));
  on('mvm.restart', () => server.restart());
  on('mvm.showLog', () => server.log.show());
  on('mvm.showOutput', () => jobs.showOutput());
  on('mvm.doctor', () => doctor(context, server, health));

  const consider = (document: vscode.TextDocument): void => {
    if (document.languageId === 'python' && server.state === 'idle' && mentions(document.getText())) {
      void server.start();
    }
  };
  const offer = (editor: vscode.TextEditor | undefined): void => {
    const declares = editor?.document.languageId === 'python' && mentions(editor.document.getText());
    void vscode.commands.executeCommand('setContext', 'mvm.declares', declares);
  };
  context.subscriptions.push(
    server,
    preview,
    jobs,
    health,
    new Status(server, jobs),
    vscode.workspace.onDidOpenTextDocument(consider),
    vscode.workspace.onDidSaveTextDocument((document) => {
      consider(document);
      offer(vscode.window.activeTextEditor);
    }),
    vscode.workspace.onDidChangeTextDocument((event) => {
      if (event.contentChanges.some((change) => change.text.includes('m'))) {
        consider(event.document);
      }
    }),
    vscode.window.onDidChangeActiveTextEditor(offer),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('mvm.server.path') && server.state !== 'idle') {
        void server.restart();
      }
    }),
  );
  vscode.workspace.textDocuments.forEach(consider);
  offer(vscode.window.activeTextEditor);
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}
