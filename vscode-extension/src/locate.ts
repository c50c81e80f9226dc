/** Which server is started: the one that is set, the one on PATH, the one that came along, in this order. */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** What the choice depends on. */
export interface Surroundings {
  /** Setting of the user; empty when there is none. */
  setting: string;
  /** `PATH` */
  path: string;
  /** Directory of the extension. */
  extension: string;
  /** Does the user trust the workspace? */
  trusted: boolean;
  /** `win32` has another name for programs. */
  platform: string;
}

/** A server and where it was found, or why there is none. */
export type Located = { path: string; from: 'setting' | 'PATH' | 'extension' } | { problem: string };

const runnable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
};

/** Finds a program of ours. In a workspace without trust only the one that came with the extension is started. */
export function locate(program: string, around: Surroundings): Located {
  const name = around.platform === 'win32' ? `${program}.exe` : program;
  const bundled = join(around.extension, 'server', name);
  if (!around.trusted) {
    return runnable(bundled)
      ? { path: bundled, from: 'extension' }
      : { problem: `This build of the extension has no ${program} inside, and no other is started in a workspace that is not trusted. Trust the workspace.` };
  }
  if (around.setting !== '') {
    return isAbsolute(around.setting) && runnable(around.setting)
      ? { path: around.setting, from: 'setting' }
      : { problem: `The setting names \`${around.setting}\`, which is not the absolute path of a program. Correct it or clear it.` };
  }
  for (const directory of around.path.split(delimiter)) {
    // A relative entry would mean the directory of whatever is open.
    const candidate = join(directory, name);
    if (isAbsolute(directory) && runnable(candidate)) {
      return { path: candidate, from: 'PATH' };
    }
  }
  return runnable(bundled)
    ? { path: bundled, from: 'extension' }
    : { problem: `${program} is neither on PATH nor inside this build of the extension. Install it (cargo install --path server) or set its path.` };
}
