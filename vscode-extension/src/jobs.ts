/** Builds and runs: asked for by the user, their output in a channel of its own, their result in words. */

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';

import { neutralArguments } from './ir';
import { bounded, plain } from './output';
import type { JobResult, Json, OutputParams, ShownResult, WorkloadIr } from './protocol';
import type { Preview } from './preview';
import type { Server } from './server';

/** Which declaration of which file. */
export interface Target {
  uri: string;
  name?: string;
}

interface Declared {
  name: string;
  schema: Json | undefined;
}

export class Jobs implements vscode.Disposable {
  private readonly channel = vscode.window.createOutputChannel('mvm');
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly running = new Map<string, string>();
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly server: Server,
    private readonly preview: Preview,
    private readonly memory: vscode.Memento,
  ) {
    server.onClient((client) => {
      client.onNotification('mvm/output', (output: OutputParams) => this.channel.append(plain(output.text)));
    });
  }

  dispose(): void {
    this.channel.dispose();
    this.changed.dispose();
  }

  /** What runs now, for the status item. */
  get current(): string | undefined {
    return [...this.running.values()][0];
  }

  showOutput(): void {
    this.channel.show(true);
  }

  async start(command: 'mvm.build' | 'mvm.run', given: Target | undefined): Promise<JobResult | undefined> {
    const target = given ?? here();
    if (!target) {
      void vscode.window.showInformationMessage('mvm: open a Python file that declares a workload.');
      return undefined;
    }
    const client = await this.server.get();
    const declared = client && (await this.choose(client, target));
    if (!client || !declared) {
      return undefined;
    }
    const argument: { uri: string; name: string; arguments?: Json } = { uri: target.uri, name: declared.name };
    if (command === 'mvm.run') {
      const values = await this.ask(target.uri, declared);
      if (values === undefined) {
        return undefined;
      }
      argument.arguments = values;
    }
    await vscode.workspace.textDocuments.find((one) => one.uri.toString() === target.uri)?.save();
    return this.execute(client, command, argument);
  }

  async stop(given: Target | undefined): Promise<void> {
    const client = await this.server.get();
    await client?.sendRequest('workspace/executeCommand', { command: 'mvm.stop', arguments: [given ?? here() ?? {}] });
  }

  private async execute(client: LanguageClient, command: string, argument: { uri: string; name: string }): Promise<JobResult | undefined> {
    const key = `${argument.uri}#${argument.name}`;
    this.channel.appendLine(`--- ${command === 'mvm.run' ? 'run' : 'build'} ${argument.name}`);
    this.channel.show(true);
    this.running.set(key, `${command === 'mvm.run' ? 'running' : 'building'} ${argument.name}`);
    this.changed.fire();
    try {
      const result = await client.sendRequest<JobResult>('workspace/executeCommand', { command, arguments: [argument] });
      this.ended(argument.uri, result);
      return result;
    } catch (error) {
      // The server has told the user already; the channel keeps it.
      this.channel.appendLine(error instanceof Error ? error.message : String(error));
      return undefined;
    } finally {
      this.running.delete(key);
      this.changed.fire();
    }
  }

  private ended(uri: string, result: JobResult): void {
    const shown = shownResult(result);
    this.channel.appendLine(bounded(plain(result.summary)));
    if (shown.body !== '') {
      this.channel.appendLine(shown.body);
    }
    this.preview.result(uri, shown);
  }

  /** The declaration that is meant: the named one, the only one, the one at the cursor, or one that is picked. */
  private async choose(client: LanguageClient, target: Target): Promise<Declared | undefined> {
    const answer = await client.sendRequest<WorkloadIr>('mvm/workloadIr', { textDocument: { uri: target.uri }, subscribe: this.preview.visible });
    const declared = answer.workloads.flatMap(declarations);
    const named = declared.find((one) => one.name === target.name);
    if (named ?? declared.length === 1) {
      return named ?? declared[0];
    }
    if (declared.length === 0) {
      void vscode.window.showInformationMessage('mvm: this file declares no workload.');
      return undefined;
    }
    const name = await vscode.window.showQuickPick(declared.map((one) => one.name), { title: 'Which declaration?' });
    return declared.find((one) => one.name === name);
  }

  /** Asks for the arguments of a call; the last ones, or neutral ones, are there already. */
  private async ask(uri: string, declared: Declared): Promise<Json | undefined> {
    const key = `arguments:${uri}#${declared.name}`;
    const value = this.memory.get<string>(key) ?? JSON.stringify(neutralArguments(declared.schema));
    const answer = await vscode.window.showInputBox({
      title: `Run ${declared.name}`,
      prompt: 'Arguments as JSON: an object by name, or a list by position',
      value,
      ignoreFocusOut: true,
      validateInput: wrongArguments,
    });
    if (answer === undefined) {
      return undefined;
    }
    await this.memory.update(key, answer);
    return JSON.parse(answer) as Json;
  }
}

/** Says what is wrong with arguments, or nothing. */
export function wrongArguments(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? undefined : 'An object by name, or a list by position';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function here(): Target | undefined {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === 'python' ? { uri: document.uri.toString() } : undefined;
}

type Fields = { [key: string]: Json };

function declarations(workload: { ir: Json }): Declared[] {
  const apps = (workload.ir as Fields)['apps'] as Fields[];
  return apps.map((app) => {
    const entrypoints = app['entrypoints'] as Fields[];
    const primary = entrypoints.find((one) => one['primary'] === true) ?? entrypoints[0];
    return { name: app['name'] as string, schema: primary?.['args_schema'] };
  });
}

/** A result as people read it: the value, or the traceback. */
export function shownResult(result: JobResult): ShownResult {
  const details = result.details as { outcome?: { value?: Json; traceback?: Json } } | undefined;
  const outcome = details?.outcome;
  const value = outcome?.value;
  const body =
    value !== undefined
      ? JSON.stringify(value, null, 2)
      : typeof outcome?.traceback === 'string'
        ? outcome.traceback
        : (result.error?.help ?? '');
  return { name: result.name, success: result.success, summary: plain(bounded(result.summary)), body: plain(bounded(body)) };
}
