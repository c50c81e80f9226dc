/** *Doctor*: what `mvmctl doctor` says about this machine, in the output channel, with the way there in a message. */

import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

import * as vscode from 'vscode';

import { locate } from './locate';
import { plain } from './output';
import type { Server } from './server';

const run = promisify(execFile);

export async function doctor(context: vscode.ExtensionContext, server: Server, channel: vscode.OutputChannel): Promise<void> {
  const beside = server.located && 'path' in server.located ? `${dirname(server.located.path)}:` : '';
  const located = locate('mvmctl', {
    setting: vscode.workspace.getConfiguration('mvm').get<string>('ctl.path', '').trim(),
    path: beside + (process.env['PATH'] ?? ''),
    extension: context.extensionPath,
    trusted: vscode.workspace.isTrusted,
    platform: process.platform,
  });
  if ('problem' in located) {
    void vscode.window.showErrorMessage(`mvm: ${located.problem}`);
    return;
  }
  const done = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'mvm doctor' }, () =>
    run(located.path, ['doctor'], { timeout: 60_000, maxBuffer: 1 << 20 }).then(
      ({ stdout, stderr }) => ({ fine: true, text: stdout + stderr }),
      (error: unknown) => {
        const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string };
        return { fine: false, text: (stdout ?? '') + (stderr ?? '') || message };
      },
    ),
  );
  channel.clear();
  channel.appendLine(plain(done.text));
  channel.show(true);
  if (done.fine) {
    void vscode.window.showInformationMessage('mvm: this machine can run guests.');
  } else {
    void vscode.window.showWarningMessage('mvm: this machine lacks something; the output says what, and what to do.');
  }
}
