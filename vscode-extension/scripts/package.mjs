// Packs the extension with the programs beside a server inside: package.mjs [--server FILE] [--target linux-x64] [--out FILE]
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const target = option('target', `${process.platform}-${process.arch}`);
const server = option('server', '');
const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));
const out = option('out', `${name}-${target}-${version}.vsix`);

execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
rmSync('server', { recursive: true, force: true });
// What the server starts lies beside it: without them it shows and checks, but runs nothing.
const programs = ['mvm-lsp', 'mvmctl', 'mvm-supervisor', 'mvm-vmm', 'mvm-guest-agent'];
if (server !== '') {
  mkdirSync('server');
  for (const program of programs) {
    const file = program === 'mvm-lsp' ? server : join(dirname(server), program);
    if (!existsSync(file)) {
      console.warn(`${file} is not built: this package does not have it`);
      continue;
    }
    const inside = join('server', program);
    copyFileSync(file, inside);
    chmodSync(inside, 0o755);
    try {
      execFileSync('strip', ['--strip-all', inside], { stdio: 'ignore' });
    } catch {
      console.warn(`strip is not here: ${program} is packed with its symbols`);
    }
  }
}
const vsce = join('node_modules', '@vscode', 'vsce', 'vsce');
execFileSync(process.execPath, [vsce, 'package', '--no-dependencies', '--no-rewrite-relative-links', '--skip-license', '--allow-missing-repository', '--target', target, '--out', out], { stdio: 'inherit' });
const { size } = statSync(out);
// Programs for tests are not optimized, and larger than those that are shipped.
const most = server.includes('/debug/') ? 60 : 15;
if (!existsSync(out) || size > most << 20) {
  console.error(`${out} has ${(size / (1 << 20)).toFixed(1)} MiB; ${most} are the most`);
  process.exit(1);
}
