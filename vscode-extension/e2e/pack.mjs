// Packs the small extensions that tests install beside ours.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

/** The packed extension of a directory here; what it needs is bundled. */
export async function packed(name, target) {
  const folder = join(target, 'e2e-extensions', name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(here, name, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, '.vscodeignore'), '**/*.map\n');
  await build({ entryPoints: [join(here, name, 'extension.js')], outfile: join(folder, 'extension.js'), bundle: true, platform: 'node', external: ['vscode'], logLevel: 'warning' });
  const vsix = `${folder}.vsix`;
  const flags = ['--no-dependencies', '--skip-license', '--allow-missing-repository', '--allow-star-activation', '--out', vsix];
  execFileSync(process.execPath, [join(here, '../node_modules/@vscode/vsce/vsce'), 'package', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return vsix;
}
