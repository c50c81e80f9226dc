/** `mvmctl`, found beside the server and run for machines and the doctor. Never without the user's trust. */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';

import * as vscode from 'vscode';

import { locate, type Located } from './locate';
import { plain } from './output';
import type { Json } from './protocol';
import type { Server } from './server';

/** How a command ended. */
export interface Ended {
  /** 127: it could not be started. */
  code: number;
  /** What it answered, when that was JSON. */
  value: Json | undefined;
  /** What it said beside, as plain text. */
  said: string;
}

/** Most that one answer may hold. */
const MOST = 64 << 20;

export class Ctl {
  constructor(
    private readonly extension: string,
    private readonly server: Server,
  ) {}

  locate(): Located {
    const own = this.server.located;
    const beside = own && 'path' in own ? `${dirname(own.path)}:` : '';
    return locate('mvmctl', {
      setting: vscode.workspace.getConfiguration('mvm').get<string>('ctl.path', '').trim(),
      path: beside + (process.env['PATH'] ?? ''),
      extension: this.extension,
      trusted: vscode.workspace.isTrusted,
      platform: process.platform,
    });
  }

  /** Runs a command to its end. */
  async run(args: string[], signal?: AbortSignal): Promise<Ended> {
    const located = this.locate();
    if ('problem' in located) {
      return { code: 127, value: undefined, said: located.problem };
    }
    return new Promise((resolve) => {
      execFile(located.path, ['--json', ...args], { maxBuffer: MOST, signal: signal ?? undefined, killSignal: 'SIGINT' }, (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 127) : 0;
        resolve({ code, value: parsed(stdout), said: words(stderr) || (error && stdout === '' ? error.message : '') });
      });
    });
  }

  /** Starts a command whose output goes on. */
  follow(args: string[]): ChildProcess | undefined {
    const located = this.locate();
    return 'problem' in located ? undefined : spawn(located.path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

export function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** The errors among JSON lines on standard error, in words. */
export function words(stderr: string): string {
  const errors = stderr.split('\n').map((line) => {
    const value = parsed(line);
    if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) {
      return line;
    }
    const error = value['error'] as { message?: string; help?: string } | undefined;
    return [error?.message, error?.help].filter(Boolean).join(' — ');
  });
  return plain(errors.filter((line) => line.trim() !== '').join('\n'));
}
