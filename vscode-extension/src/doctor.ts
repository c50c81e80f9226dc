/** *Doctor*: what `mvmctl doctor` says about this machine, and the commands that mend it, typed but not run. */

import * as vscode from 'vscode';

import type { Ctl } from './ctl';
import { plain } from './output';
import type { Json } from './protocol';

/** One thing that was looked at. */
export interface Check {
  id: string;
  status: 'ok' | 'warn' | 'fail';
  what: string;
  why?: string;
  remedy?: string;
}

/** The checks of a report, if it is one. */
export function checks(report: Json | undefined): Check[] | undefined {
  const all = (report as { checks?: unknown } | undefined)?.checks;
  return Array.isArray(all) ? (all as Check[]) : undefined;
}

/** The report as people read it. */
export function written(all: Check[]): string {
  const sign = { ok: '✓', warn: '!', fail: '✗' };
  const line = (one: Check): string => [`${sign[one.status]} ${one.what}`, one.why && `    ${one.why}`, one.remedy && `    → ${one.remedy}`].filter(Boolean).join('\n');
  return plain(all.map(line).join('\n'));
}

/** The commands that remedies name, as this user has to give them. */
export function commandsOf(all: Check[], root: boolean): string[] {
  const named = all.flatMap((one) => (one.status === 'ok' ? [] : [...(one.remedy ?? '').matchAll(/`((?:apt-get|modprobe|usermod|adduser) [^`]+)`/g)]));
  const own = named.map((match) => plain(match[1] ?? '').replaceAll(/[\n;&|]/g, ' '));
  return [...new Set(own.map((command) => (root ? command : `sudo ${command}`)))];
}

export async function doctor(ctl: Ctl, channel: vscode.OutputChannel): Promise<void> {
  const { value, said } = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'mvm doctor' }, () => ctl.run(['doctor']));
  const all = checks(value);
  if (!all) {
    void vscode.window.showErrorMessage(`mvm: the doctor did not answer: ${said}`);
    return;
  }
  channel.clear();
  channel.appendLine(written(all));
  channel.show(true);
  const worst = all.find((one) => one.status === 'fail') ?? all.find((one) => one.status === 'warn');
  const commands = commandsOf(all, process.getuid?.() === 0);
  const actions = commands.length > 0 ? ['Type the Fix in a Terminal'] : [];
  if (worst?.status === 'fail') {
    offer(await vscode.window.showErrorMessage(`mvm: this machine cannot run guests yet: ${plain(worst.what)}.`, ...actions), commands);
  } else if (worst) {
    offer(await vscode.window.showInformationMessage(`mvm: this machine can run guests; ${plain(worst.what)}.`, ...actions), commands);
  } else {
    void vscode.window.showInformationMessage('mvm: this machine can run guests.');
  }
}

/** Types the commands; the user sees them and presses Enter. */
function offer(chosen: string | undefined, commands: string[]): void {
  if (chosen !== undefined) {
    const terminal = vscode.window.createTerminal('mvm doctor');
    terminal.show();
    terminal.sendText(commands.join(' && '), false);
  }
}
