/** Builds and runs: asked for by the user, their output in a channel of its own, their result in words. */

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';

import { plain } from './output';
import type { JobResult, Json, OutputParams, WorkloadIr } from './protocol';
import type { Preview } from './preview';
import { declarations, shownResult, takesNothing, type Declared } from './results';
import type { Server } from './server';

/** Which declaration of which file, and with what it is called. */
export interface Target {
  uri: string;
  name?: string;
  function?: string;
  arguments?: Json;
}

type Command = 'mvm.build' | 'mvm.run';

export class Jobs implements vscode.Disposable {
  readonly channel = vscode.window.createOutputChannel('mvm');
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly running = new Map<string, string>();
  private tokens = 0;
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

  /** Builds or runs. A run whose arguments are not given asks for them, in a form beside the source. */
  async start(command: Command, given: Target | undefined): Promise<JobResult | undefined> {
    const target = given ?? this.here();
    if (!target) {
      void vscode.window.showInformationMessage('mvm: open a Python file that declares a workload.');
      return undefined;
    }
    const client = await this.server.get();
    const declared = client && (await this.choose(client, target));
    if (!client || !declared) {
      return undefined;
    }
    const argument: Target = { uri: target.uri, name: declared.name };
    if (command === 'mvm.run' && declared.complete) {
      const first = declared.functions[0];
      if (target.arguments === undefined && first && !(declared.functions.length === 1 && takesNothing(first.schema))) {
        await this.preview.ask(vscode.Uri.parse(target.uri), { name: declared.name, functions: declared.functions });
        return undefined; // The form calls again, with arguments.
      }
      argument.arguments = target.arguments ?? {};
      if (target.function !== undefined) {
        argument.function = target.function;
      }
      await this.remember(argument, first?.name);
    }
    await vscode.workspace.textDocuments.find((one) => one.uri.toString() === target.uri)?.save();
    return this.execute(client, command, argument);
  }

  /** Runs once more with what it was called with last. */
  async again(uri: string, name: string): Promise<void> {
    await this.start('mvm.run', this.memory.get<Target>(`last:${uri}#${name}`) ?? { uri, name });
  }

  async stop(given: Target | undefined): Promise<void> {
    const client = await this.server.get();
    await client?.sendRequest('workspace/executeCommand', { command: 'mvm.stop', arguments: [given ?? this.here() ?? {}] });
  }

  /** Builds, and says what was built: workload and app. */
  async built(given: Target | undefined): Promise<{ workload: string; app: string } | undefined> {
    const target = given ?? this.here();
    const client = target && (await this.server.get());
    const declared = client && (await this.choose(client, target));
    const result = declared && (await this.start('mvm.build', { uri: target.uri, name: declared.name }));
    return declared && result?.success === true ? { workload: declared.workload, app: declared.name } : undefined;
  }

  /** The file that is looked at, itself or in the preview. */
  private here(): Target | undefined {
    const document = vscode.window.activeTextEditor?.document;
    const uri = document?.languageId === 'python' ? document.uri : this.preview.active;
    return uri && { uri: uri.toString() };
  }

  private async remember(argument: Target, first: string | undefined): Promise<void> {
    await this.memory.update(`last:${argument.uri}#${argument.name ?? ''}`, argument);
    await this.memory.update(key(argument.uri, argument.name ?? '', argument.function ?? first ?? ''), argument.arguments);
  }

  private async execute(client: LanguageClient, command: Command, argument: Target): Promise<JobResult | undefined> {
    const name = argument.name ?? '';
    const id = `${argument.uri}#${name}`;
    const verb = command === 'mvm.run' ? 'running' : 'building';
    this.channel.appendLine(`--- ${verb} ${name}`);
    this.running.set(id, `${verb} ${name}`);
    this.changed.fire();
    this.preview.running(argument.uri, name);
    try {
      const result = await this.progress(client, command, argument, `mvm: ${verb} ${name}`);
      this.ended(argument.uri, result);
      return result;
    } catch (error) {
      // The server has told the user already; the channel keeps it.
      const message = plain(error instanceof Error ? error.message : String(error));
      this.channel.appendLine(message);
      this.preview.result(argument.uri, { name, success: false, summary: message, body: '' });
      return undefined;
    } finally {
      this.running.delete(id);
      this.changed.fire();
    }
  }

  /** Sends the request and shows how it gets on, with a button to cancel. */
  private progress(client: LanguageClient, command: Command, argument: Target, title: string): Thenable<JobResult> {
    const token = `mvm-${process.pid}-${(this.tokens += 1)}`;
    return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title, cancellable: true }, async (progress, cancel) => {
      cancel.onCancellationRequested(() => void client.sendNotification('window/workDoneProgress/cancel', { token }));
      let reached = 0;
      const { WorkDoneProgress } = await import('./client.js');
      const listener = client.onProgress(WorkDoneProgress.type, token, (value) => {
        if (value.kind === 'end') {
          return;
        }
        const percent = value.percentage ?? 0;
        progress.report({ message: plain(value.message ?? ''), increment: Math.max(0, percent - reached) });
        reached = Math.max(reached, percent);
      });
      try {
        return await client.sendRequest<JobResult>('workspace/executeCommand', { command, arguments: [argument], workDoneToken: token });
      } finally {
        listener.dispose();
      }
    });
  }

  private ended(uri: string, result: JobResult): void {
    const shown = shownResult(result);
    this.channel.appendLine(shown.summary);
    if (shown.body !== '') {
      this.channel.appendLine(shown.body);
    }
    this.preview.result(uri, shown);
  }

  /** The declaration that is meant: the named one, the only one, or one that is picked. */
  private async choose(client: LanguageClient, target: Target): Promise<Declared | undefined> {
    const answer = await client.sendRequest<WorkloadIr>('mvm/workloadIr', { textDocument: { uri: target.uri }, subscribe: this.preview.shows(target.uri) });
    const declared = answer.workloads.flatMap((one) => declarations(one, (name, fun) => this.memory.get<Json>(key(target.uri, name, fun))));
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
}

const key = (uri: string, name: string, fun: string): string => `arguments:${uri}#${name}#${fun}`;

