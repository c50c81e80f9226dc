/** The status item: what the server does, in a word, a colour and a sentence, and what a click does about it. */

import * as vscode from 'vscode';

import type { Jobs } from './jobs';
import { findingsOf } from './preview';
import { counted } from './results';
import type { Server } from './server';

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('mvm.status', vscode.StatusBarAlignment.Right, 90);
  private readonly subscriptions: { dispose(): unknown }[];

  constructor(
    private readonly server: Server,
    private readonly jobs: Jobs,
  ) {
    this.item.name = 'mvm';
    this.subscriptions = [
      this.item,
      server.onDidChange(() => this.update()),
      jobs.onDidChange(() => this.update()),
      vscode.languages.onDidChangeDiagnostics(() => this.update()),
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
    ];
    this.update();
  }

  dispose(): void {
    this.subscriptions.forEach((one) => void one.dispose());
  }

  private update(): void {
    const { state } = this.server;
    if (state === 'idle') {
      this.item.hide();
      return;
    }
    this.item.backgroundColor = this.colour();
    if (state === 'failed') {
      this.set('$(error) mvm', this.server.problem, 'mvm.restart');
    } else if (state === 'late') {
      this.set('$(warning) mvm: not answering', this.server.problem, 'mvm.restart');
    } else if (state === 'starting') {
      this.set('$(loading~spin) mvm', 'The server is starting.', 'mvm.showLog');
    } else if (this.jobs.current !== undefined) {
      this.set(`$(loading~spin) mvm: ${this.jobs.current}`, 'Click to see its output.', 'mvm.showOutput');
    } else {
      this.ready();
    }
    this.item.show();
  }

  private colour(): vscode.ThemeColor | undefined {
    const { state } = this.server;
    return state === 'failed' ? new vscode.ThemeColor('statusBarItem.errorBackground') : state === 'late' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  }

  private ready(): void {
    const document = vscode.window.activeTextEditor?.document;
    const { errors, warnings } = document ? findingsOf(document.uri) : { errors: 0, warnings: 0 };
    const located = this.server.located;
    const path = located && 'path' in located ? `${located.path} (${located.from})` : '';
    const text = errors + warnings === 0 ? '$(check) mvm' : `$(warning) mvm: ${errors + warnings}`;
    this.set(text, `${counted(errors, warnings)} in this file. Server: ${path}`, 'mvm.showIr');
  }

  private set(text: string, tooltip: string, command: string): void {
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.command = command;
    this.item.accessibilityInformation = { label: text.replace(/\$\([^)]*\)\s*/, ''), role: 'button' };
  }
}
