// Packs the extension with the programs beside a server inside: package.mjs --server FILE [--target linux-x64] [--out FILE]
// Without --server there is none inside: for who has mvm-lsp on PATH. A package that would be less than it says is refused.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const text = { type: 'string' };
const { values: given } = parseArgs({ options: { server: text, target: text, out: text } });
const { server, target = `${process.platform}-${process.arch}` } = given;
const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));
const out = given.out ?? (server === undefined ? `${name}-${version}.vsix` : `${name}-${target}-${version}.vsix`);

function refuse(why) {
  rmSync(out, { force: true });
  console.error(`not packed: ${why}`);
  process.exit(1);
}

/** Each is what its platform starts: ELF of the processor that the target names. */
function check(file) {
  if (!existsSync(file)) {
    refuse(`${file} is not built; \`cargo xtask dist\` builds every program and packs them`);
  }
  const machine = { 'linux-x64': 0x3e, 'linux-arm64': 0xb7 }[target];
  const head = readFileSync(file).subarray(0, 20);
  if (machine === undefined) {
    refuse(`there are no programs for ${target}: guests run on Linux`);
  }
  if (head.toString('latin1', 0, 4) !== '\u007fELF' || head.readUInt16LE(18) !== machine) {
    refuse(`${file} is not a program for ${target}`);
  }
}

rmSync('server', { recursive: true, force: true });
// What the server starts lies beside it: without them it would show and check, but run nothing.
const programs = ['mvm-lsp', 'mvmctl', 'mvm-supervisor', 'mvm-vmm', 'mvm-guest-agent'];
if (server !== undefined) {
  const files = programs.map((program) => (program === 'mvm-lsp' ? server : join(dirname(server), program)));
  files.forEach(check);
  mkdirSync('server');
  files.forEach((file, i) => {
    const inside = join('server', programs[i]);
    copyFileSync(file, inside);
    chmodSync(inside, 0o755);
    try {
      execFileSync('strip', ['--strip-all', inside], { stdio: 'ignore' });
    } catch {
      console.warn(`strip is not here: ${programs[i]} is packed with its symbols`);
    }
  });
}
execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
copyFileSync('../LICENSE', 'LICENSE.txt');
const vsce = join('node_modules', '@vscode', 'vsce', 'vsce');
const platform = server === undefined ? [] : ['--target', target];
execFileSync(process.execPath, [vsce, 'package', '--no-dependencies', '--no-rewrite-relative-links', '--allow-missing-repository', ...platform, '--out', out], { stdio: 'inherit' });
const { size } = statSync(out);
// Programs for tests are not optimized, and larger than those that are shipped.
const most = server?.includes('/debug/') ? 60_000_000 : 15_000_000;
if (size > most) {
  refuse(`${out} would have ${size} bytes; ${most} are the most`);
}
console.log(`${out}: ${(size / 1e6).toFixed(1)} MB, ${server === undefined ? 'no server inside' : `${programs.length} programs for ${target} inside`}`);
