/** The client of mvm-lsp: started where a Python file mentions mvm, restarted when it ends, left alone when it loops. */

import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  State,
  type CloseHandlerResult,
  type DynamicFeature,
  type LanguageClientOptions,
  type ServerOptions,
  type StaticFeature,
} from 'vscode-languageclient/node';

import { Crashes } from './crashes';
import { locate, type Located } from './locate';

/** What the status item and the rest of the extension see. */
export type ServerState = 'idle' | 'starting' | 'ready' | 'failed';

/** A client that leaves `mvm.*` commands to the extension, which offers them before a server runs. */
class Client extends LanguageClient {
  override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
    const dynamic = feature as Partial<DynamicFeature<unknown>>;
    if (dynamic.registrationType?.method !== 'workspace/executeCommand') {
      super.registerFeature(feature);
    }
  }

  override fillInitializeParams(params: Parameters<LanguageClient['fillInitializeParams']>[0]): void {
    super.fillInitializeParams(params);
    params.capabilities.experimental = { ...(params.capabilities.experimental as object | undefined), mvm: true };
  }
}

/** Does a text mention mvm as a word? */
export const mentions = (text: string): boolean => /\bmvm\b/.test(text);

export class Server implements vscode.Disposable {
  private client: Client | undefined;
  private starting: Promise<void> | undefined;
  private readonly crashes = new Crashes();
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly hooks: ((client: LanguageClient) => void)[] = [];

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
    if (this.state !== 'ready') {
      await this.start();
    }
    return this.state === 'ready' ? this.client : undefined;
  }

  start(): Promise<void> {
    this.starting ??= this.startNow().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  async restart(): Promise<void> {
    this.crashes.forget();
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.starting;
    const client = this.client;
    this.client = undefined;
    // A server that hangs is killed by the client after its time.
    await client?.dispose(2000).catch((error: unknown) => this.log.warn(String(error)));
    this.set('idle');
  }

  dispose(): Promise<void> {
    this.changed.dispose();
    return this.stop();
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
    this.set('starting');
    this.log.info(`starting ${this.located.path} (${this.located.from})`);
    const server: ServerOptions = { command: this.located.path, args: [], options: { shell: false } };
    const client = new Client('mvm', 'mvm', server, this.options());
    this.client = client;
    client.onDidChangeState(({ newState }) => {
      if (this.client === client && newState === State.Running) {
        this.set('ready');
      }
    });
    this.hooks.forEach((hook) => hook(client));
    try {
      await client.start();
    } catch (error) {
      if (this.client === client) {
        this.client = undefined;
        this.fail(`${this.located.path} does not answer as a language server: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  private fail(problem: string): void {
    this.set('failed', problem);
    this.log.error(problem);
    const actions = ['Show Log', 'Restart', 'Open Settings'] as const;
    void vscode.window.showErrorMessage(`mvm: ${problem}`, ...actions).then((chosen) => {
      if (chosen === 'Show Log') {
        this.log.show();
      } else if (chosen === 'Restart') {
        void this.restart();
      } else if (chosen === 'Open Settings') {
        void vscode.commands.executeCommand('workbench.action.openSettings', 'mvm.server.path');
      }
    });
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [
        { scheme: 'file', language: 'python' },
        { scheme: 'untitled', language: 'python' },
      ],
      outputChannel: this.log,
      traceOutputChannel: this.log,
      initializationOptions: this.settings(vscode.workspace.getConfiguration().get('mvm')),
      errorHandler: {
        error: (_error, _message, count) => ({ action: (count ?? 0) < 3 ? ErrorAction.Continue : ErrorAction.Shutdown }),
        closed: () => this.closed(),
      },
      middleware: {
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

  private closed(): CloseHandlerResult {
    if (this.crashes.mayRestart(Date.now())) {
      this.log.warn('the server ended; it is started again');
      this.set('starting');
      return { action: CloseAction.Restart, handled: true };
    }
    this.client = undefined;
    this.fail('The server ended five times within three minutes and is not started again. Its log says why.');
    return { action: CloseAction.DoNotRestart, handled: true };
  }
}
