/** The machines that run on this computer: a tree with logs, call and stop, asked for while somebody looks at it. */

import * as vscode from 'vscode';

import type { Ctl } from './ctl';
import { wrongArguments } from './form';
import { bounded, plain } from './output';
import type { Json } from './protocol';
import { outcomeBody } from './results';

/** What `mvmctl ps` says of one. */
export interface Machine {
  name: string;
  workload: string;
  app: string;
  state: string;
  hypervisor: string;
  pid: number;
  started_at: number;
}

/** How often a visible tree is made anew. */
const EVERY_MS = 3000;

export class Machines implements vscode.TreeDataProvider<Machine>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Machine | undefined>();
  private readonly view: vscode.TreeView<Machine>;
  private readonly channels = new Map<string, vscode.OutputChannel>();
  private readonly followed = new Set<string>();
  private machines: Machine[] = [];
  private timer: NodeJS.Timeout | undefined;
  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly ctl: Ctl,
    private readonly memory: vscode.Memento,
    private readonly output: vscode.OutputChannel,
  ) {
    this.view = vscode.window.createTreeView('mvm.machines', { treeDataProvider: this });
    this.view.onDidChangeVisibility(({ visible }) => this.watch(visible));
    this.watch(this.view.visible);
  }

  dispose(): void {
    this.watch(false);
    this.view.dispose();
    this.changed.dispose();
    this.channels.forEach((channel) => channel.dispose());
  }

  getChildren(parent?: Machine): Machine[] {
    return parent ? [] : this.machines;
  }

  getTreeItem(machine: Machine): vscode.TreeItem {
    const item = new vscode.TreeItem(plain(machine.name));
    item.id = machine.name;
    item.description = `${machine.state}, since ${clock(machine.started_at)}`;
    item.tooltip = `${machine.workload}/${machine.app} on ${machine.hypervisor}, process ${machine.pid}`;
    item.iconPath = new vscode.ThemeIcon(machine.state === 'failed' ? 'error' : machine.state === 'ready' ? 'vm-running' : 'vm-active');
    item.contextValue = `machine.${machine.state}`;
    item.accessibilityInformation = { label: `machine ${machine.name}, ${machine.state}` };
    return item;
  }

  /** Asks what runs. */
  async refresh(): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      return;
    }
    const { value, said } = await this.ctl.run(['ps']);
    this.view.message = value === undefined ? said : '';
    const { all, news } = merged(this.machines, ((value as { machines?: unknown } | undefined)?.machines ?? []) as Machine[]);
    this.machines = all;
    news.forEach((one) => this.changed.fire(one));
  }

  /** The same, where somebody looks. */
  async refreshIfShown(): Promise<void> {
    if (this.view.visible) {
      await this.refresh();
    }
  }

  /** Lets the user choose one. */
  async pick(): Promise<Machine | undefined> {
    await this.refresh();
    if (this.machines.length === 0) {
      this.tell(true, 'no machine runs.');
      return undefined;
    }
    const name = await vscode.window.showQuickPick(this.machines.map((one) => one.name), { title: 'Which machine?' });
    return this.machines.find((one) => one.name === name);
  }

  private watch(visible: boolean): void {
    clearInterval(this.timer);
    this.timer = undefined;
    if (visible) {
      void this.refresh();
      this.timer = setInterval(() => void this.refresh(), EVERY_MS);
    }
  }

  /** Starts a built workload and leaves it running. */
  async up(workload: string, app: string): Promise<boolean> {
    const hypervisor = vscode.workspace.getConfiguration('mvm').get<string>('hypervisor', 'auto');
    const ended = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `mvm: starting ${app}`, cancellable: true }, (_progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      return this.ctl.run(['up', workload, '--app', app, '--hypervisor', hypervisor], stop.signal);
    });
    this.tell(ended.code === 0, ended.code === 0 ? `${app} is running.` : `${app} was not started: ${ended.said}`);
    await this.refresh();
    return ended.code === 0;
  }

  /** Shows what a machine has written and writes. */
  logs(machine: Machine): void {
    let channel = this.channels.get(machine.name);
    if (!channel) {
      channel = vscode.window.createOutputChannel(`mvm logs: ${plain(machine.name)}`);
      this.channels.set(machine.name, channel);
    }
    channel.show(true);
    if (this.followed.has(machine.name)) {
      return;
    }
    const into = channel;
    into.clear();
    const process = this.ctl.follow(['logs', '--follow', machine.name]);
    if (!process) {
      return;
    }
    this.followed.add(machine.name);
    const append = (chunk: Buffer): void => into.append(plain(chunk.toString('utf8')));
    process.stdout?.on('data', append);
    process.stderr?.on('data', append);
    process.on('close', () => {
      this.followed.delete(machine.name);
      into.appendLine('--- end');
    });
  }

  async call(machine: Machine): Promise<void> {
    const key = `call:${machine.workload}/${machine.app}`;
    const text = await vscode.window.showInputBox({
      title: `Call ${machine.name}`,
      prompt: 'Arguments as JSON: an object by name, or a list by position',
      value: this.memory.get<string>(key, '{}'),
      ignoreFocusOut: true,
      validateInput: wrongArguments,
    });
    if (text === undefined) {
      return;
    }
    await this.memory.update(key, text);
    const ended = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `mvm: calling ${machine.name}`, cancellable: true }, (_progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      return this.ctl.run(['call', machine.name, text], stop.signal);
    });
    const body = outcomeBody(ended.value) ?? ended.said;
    this.output.appendLine(`--- call ${machine.name} ${text}\n${bounded(plain(body))}`);
    const said = `${machine.name} ${ended.code === 0 ? 'returned' : 'failed:'} ${shorten(plain(body))}`;
    const show = ended.code === 0 ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
    void show(`mvm: ${said}`, 'Copy', 'Call Again', 'Show Output').then((chosen) => {
      if (chosen === 'Copy') {
        void vscode.env.clipboard.writeText(body);
      } else if (chosen === 'Call Again') {
        void this.call(machine);
      } else if (chosen === 'Show Output') {
        this.output.show(true);
      }
    });
  }

  async stop(machine: Machine): Promise<void> {
    const ended = await this.ctl.run(['down', machine.name]);
    if (ended.code !== 0) {
      this.tell(false, `${machine.name} was not stopped: ${ended.said}`);
    }
    await this.refresh();
  }

  private tell(fine: boolean, text: string): void {
    void (fine ? vscode.window.showInformationMessage(`mvm: ${text}`) : vscode.window.showErrorMessage(`mvm: ${text}`));
  }
}

/** A machine that a command was given, by the tree or by the palette's choice. */
export const isMachine = (given: unknown): given is Machine => typeof (given as { workload?: Json } | undefined)?.workload === 'string';

/** What is shown after a look, and what of it must be drawn anew: machines, or `undefined` for the whole list. A machine
 * stays the same object, and what has not changed is left alone: a click would meet a tree that is just being made. */
export function merged(before: Machine[], now: Machine[]): { all: Machine[]; news: (Machine | undefined)[] } {
  const known = new Map(before.map((one) => [one.name, one]));
  const news: (Machine | undefined)[] = [];
  const all = now.map((one) => {
    const old = known.get(one.name);
    if (!old || JSON.stringify(old) === JSON.stringify(one)) {
      return old ?? one;
    }
    news.push(Object.assign(old, one));
    return old;
  });
  const same = before.length === all.length && all.every((one, i) => one === before[i]);
  return { all, news: same ? news : [undefined] };
}

const clock = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
