/** The client of mvm-lsp: started where a Python file mentions mvm, restarted when it ends, left alone when it loops. */

import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';

import * as vscode from 'vscode';
import type { LanguageClient, LanguageClientOptions, ServerOptions } from 'vscode-languageclient/node';

import type { Client } from './client';
import { Crashes } from './crashes';
import { locate, type Located } from './locate';
import { plain } from './output';
import { PATIENCE_MS, Patience, wrongServer } from './versions';

/** What the status item and the rest of the extension see. */
export type ServerState = 'idle' | 'starting' | 'ready' | 'late' | 'failed';

/** A build or run takes as long as it takes, so does a user with a question, and a poll ends when there is news. */
const MAY_TAKE_LONG = ['workspace/executeCommand', 'workspace/diagnostic'];

/** Does a text mention mvm as a word? */
export const mentions = (text: string): boolean => /\bmvm\b/.test(text);

export class Server implements vscode.Disposable {
  private client: Client | undefined;
  private process: ChildProcess | undefined;
  /** What the server wrote last on standard error. */
  private words = '';
  private starting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private readonly crashes = new Crashes();
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly hooks: ((client: LanguageClient) => void)[] = [];
  private readonly patience = new Patience((late) => this.late(late));

  readonly onDidChange = this.changed.event;
  readonly log: vscode.LogOutputChannel;
  state: ServerState = 'idle';
  /** Why there is no server, for people. */
  problem = '';
  located: Located | undefined;

  constructor(private readonly context: vscode.ExtensionContext) {
    this.log = vscode.window.createOutputChannel('mvm server', { log: true });
  }

  /** Calls back with every client that starts. */
  onClient(hook: (client: LanguageClient) => void): void {
    this.hooks.push(hook);
  }

  /** The running client; starts one when there is none. */
  async get(): Promise<LanguageClient | undefined> {
    await this.stopping; // One that is about to end answers nobody.
    if (this.state !== 'ready' && this.state !== 'late') {
      await this.start();
    }
    return this.client;
  }

  /** The client, where it runs now. */
  get current(): LanguageClient | undefined {
    return this.stopping === undefined && (this.state === 'ready' || this.state === 'late') ? this.client : undefined;
  }

  start(): Promise<void> {
    this.starting ??= this.startNow().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  async restart(): Promise<void> {
    this.crashes.forget();
    this.words = '';
    await this.stop();
    await this.start();
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow().finally(() => {
      this.stopping = undefined;
    });
    return this.stopping;
  }

  private async stopNow(): Promise<void> {
    await this.starting;
    await this.drop(this.client);
    this.set('idle');
  }

  dispose(): Promise<void> {
    this.changed.dispose();
    return this.stop();
  }

  /** Ends a client, and with it its server, even one that hangs. */
  private async drop(client: Client | undefined): Promise<void> {
    if (!client) {
      return;
    }
    const process = this.process;
    this.client = undefined;
    if (this.state === 'late' || this.state === 'starting') {
      process?.kill('SIGKILL');
    }
    await client.dispose(2000).catch((error: unknown) => this.log.warn(String(error)));
    process?.kill('SIGKILL');
  }

  private set(state: ServerState, problem = ''): void {
    this.state = state;
    this.problem = problem;
    this.changed.fire();
  }

  private async startNow(): Promise<void> {
    if (this.client) {
      return;
    }
    const settings = vscode.workspace.getConfiguration('mvm');
    this.located = locate('mvm-lsp', {
      setting: settings.get<string>('server.path', '').trim(),
      path: process.env['PATH'] ?? '',
      extension: this.context.extensionPath,
      trusted: vscode.workspace.isTrusted,
      platform: process.platform,
    });
    if ('problem' in this.located) {
      this.fail(this.located.problem);
      return;
    }
    const { path, from } = this.located;
    const began = performance.now();
    this.set('starting');
    this.log.info(`starting ${path} (${from})`);
    const child = this.spawn(path);
    if (typeof child === 'string') {
      this.fail(child);
      return;
    }
    // It starts while the library is read, which is much larger than all the rest and which most windows never need. The
    // build makes this a `require`: no event of the process is lost before the client listens.
    const library = await import('./client.js');
    const options: ServerOptions = () => Promise.resolve(child);
    const client: Client = new library.Client('mvm', 'mvm', options, this.options(library, () => this.closed(client)));
    this.client = client;
    this.hooks.forEach((hook) => hook(client));
    const problem = await this.introduced(client, path);
    if (this.client !== client) {
      return; // It ended meanwhile, and that has been seen to.
    }
    if (problem !== undefined) {
      await this.drop(client);
      this.fail(problem);
    } else {
      this.log.info(`ready ${Math.round(performance.now() - began)} ms after the start`);
      this.set('ready');
    }
  }

  /** Starts the program; where that cannot be, says so. */
  private spawn(path: string): ChildProcess | string {
    const cannot = `${path} cannot be started. Is it a program for this machine? Correct or clear \`mvm.server.path\`, or install mvm-lsp anew.`;
    let child: ChildProcessWithoutNullStreams;
    try {
      child = spawn(path, [], { stdio: 'pipe' });
    } catch (error) {
      this.log.error(String(error));
      return cannot;
    }
    this.process = child;
    child.stderr.on('data', (chunk: Buffer) => (this.words = plain((this.words + chunk.toString('utf8')).slice(-300))));
    child.on('error', (error) => this.log.error(String(error)));
    return child.pid === undefined ? cannot : child;
  }

  /** Waits for the answer to `initialize`; says what is wrong with it. */
  private async introduced(client: Client, path: string): Promise<string | undefined> {
    const own = String((this.context.extension.packageJSON as { version?: unknown }).version);
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<string>((resolve) => {
      const seconds = PATIENCE_MS / 1000;
      timer = setTimeout(() => resolve(`${path} was started and has said nothing for ${seconds} seconds. Restart it, or see its log.`), PATIENCE_MS);
    });
    const answer = client.start().then(
      () => wrongServer(client.initializeResult, path, own),
      (error: unknown) => {
        this.log.error(`the server did not start: ${String(error)}`);
        this.closed(client);
        return undefined;
      },
    );
    return Promise.race([answer, silence]).finally(() => clearTimeout(timer));
  }

  private fail(problem: string): void {
    this.set('failed', problem);
    this.log.error(problem);
    const actions = ['Show Log', 'Restart', 'Open Settings'] as const;
    void vscode.window.showErrorMessage(`mvm: ${problem}`, ...actions).then((chosen) => this.act(chosen));
  }

  private act(chosen: 'Show Log' | 'Restart' | 'Open Settings' | undefined): void {
    if (chosen === 'Show Log') {
      this.log.show();
    } else if (chosen === 'Restart') {
      void this.restart();
    } else if (chosen === 'Open Settings') {
      void vscode.commands.executeCommand('workbench.action.openSettings', 'mvm.server.path');
    }
  }

  /** A request goes unanswered, or is answered after all. */
  private late(late: boolean): void {
    if (this.state === 'ready' && late) {
      const problem = `The server has not answered for ${PATIENCE_MS / 1000} seconds. Restart it if this goes on; its log may say why.`;
      this.set('late', problem);
      void vscode.window.showWarningMessage(`mvm: ${problem}`, 'Restart', 'Show Log').then((chosen) => this.act(chosen));
    } else if (this.state === 'late' && !late && this.client) {
      this.set('ready');
    }
  }

  private options({ ErrorAction, CloseAction }: typeof import('./client'), closed: () => void): LanguageClientOptions {
    return {
      documentSelector: [
        { scheme: 'file', language: 'python' },
        { scheme: 'untitled', language: 'python' },
      ],
      outputChannel: this.log,
      traceOutputChannel: this.log,
      initializationOptions: this.settings(vscode.workspace.getConfiguration().get('mvm')),
      initializationFailedHandler: () => false,
      errorHandler: {
        error: (_error, _message, count) => ({ action: (count ?? 0) < 3 ? ErrorAction.Continue : ErrorAction.Shutdown, handled: true }),
        closed: () => {
          closed();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        sendRequest: (type, param, token, next) => {
          const answer = next(type, param, token);
          const method = typeof type === 'string' ? type : type.method;
          return MAY_TAKE_LONG.includes(method) ? answer : this.patience.watch(answer);
        },
        workspace: {
          configuration: async (params, token, next) => {
            const answers = await next(params, token);
            if (!Array.isArray(answers)) {
              return answers;
            }
            return answers.map((answer: unknown, i) => (params.items[i]?.section === 'mvm' ? this.settings(answer) : answer));
          },
        },
      },
    };
  }

  /** The user's settings, and what the extension itself knows. */
  private settings(section: unknown): object {
    return { ...(section as object | undefined), clientPreview: true, trusted: vscode.workspace.isTrusted };
  }

  /** A server ended by itself: another one is started, unless they end again and again. */
  private closed(client: Client): void {
    if (this.client === client) {
      this.client = undefined;
      if (this.crashes.mayRestart(Date.now())) {
        this.log.warn('the server ended; it is started again');
        this.set('starting');
        void (this.starting ?? Promise.resolve()).then(() => this.start());
      } else {
        const last = this.words.trim().split('\n').pop() ?? '';
        const words = last === '' ? '' : ` Its last words: ${last}`;
        this.fail(`The server ended five times within three minutes and is not started again. Its log says why.${words}`);
      }
    }
  }
}
