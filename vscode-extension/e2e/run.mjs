// Tests in VS Code's own workbench: run.mjs [--server FILE] [--vsix FILE] [--code-server DIR] [--no-boot] [NAME…]
// Installs code-server where it is not, packs the extension unless one is named. --no-boot leaves real guests
// and the servers of other extensions out.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { neighbours as neighboursOf } from './neighbours/pack.mjs';
import { Workbench } from './workbench.mjs';
import { bare } from './tests/bare.mjs';
import { editing } from './tests/editing.mjs';
import { first } from './tests/first.mjs';
import { neighbours } from './tests/neighbours.mjs';
import { preview } from './tests/preview.mjs';
import { running } from './tests/running.mjs';
import { servers } from './tests/servers.mjs';
import { untrusted } from './tests/untrusted.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = resolve(here, '../..');
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(repository, 'target'));
const text = { type: 'string' };
const { values: given, positionals: only } = parseArgs({
  options: { server: text, vsix: text, 'code-server': text, 'no-boot': { type: 'boolean' } },
  allowPositionals: true,
});
const server = resolve(given.server ?? join(target, 'debug/mvm-lsp'));
if (!existsSync(server)) {
  console.error(`${server} is not built: cargo build -p mvm-lsp -p mvmctl`);
  process.exit(2);
}
const codeServer = resolve(given['code-server'] ?? join(target, 'code-server'));
execFileSync('bash', [join(here, 'install.sh'), codeServer], { stdio: ['ignore', 'inherit', 'inherit'] });
let vsix = given.vsix;
if (vsix === undefined) {
  vsix = join(target, 'mvm.vsix');
  execFileSync(process.execPath, ['scripts/package.mjs', '--server', server, '--out', vsix], { cwd: resolve(here, '..'), stdio: ['ignore', 'ignore', 'inherit'] });
}
const suite = {
  codeServer,
  vsix,
  server,
  boot: given['no-boot'] !== true,
  examples: join(repository, 'examples'),
  cache: join(target, 'e2e-cache'),
  artefacts: process.env.MVM_ARTEFACTS ?? join(here, 'artefacts'),
  repository,
  axe: readFileSync(join(here, '../node_modules/axe-core/axe.min.js'), 'utf8'),
};

let passed = 0;
let failed = 0;

/** So many failures are enough to look into: each takes the whole patience. */
const MOST = 4;
const wanted = (name) => only.length === 0 || only.some((word) => name.includes(word));

/** Runs tests one after the other, in the window of one workbench. */
async function run(bench, tests) {
  for (const [name, test] of Object.entries(tests)) {
    if (!wanted(name)) {
      continue;
    }
    if (failed >= MOST) {
      console.log('     too much has failed: the rest is not run');
      return;
    }
    const start = performance.now();
    try {
      await test(bench);
      passed += 1;
      console.log(`ok   ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}\n${error.stack}`);
      await bench.screenshot(`failed-${failed}`);
      await bench.tidy().catch((why) => console.log(`     and the workbench does not recover: ${why.message}`));
    }
  }
}

// Each with a workbench of its own; what was asked for by name alone starts only those that have it.
const benches = [
  [{}, (bench) => ({ ...first(bench), ...editing(suite), ...preview(suite), ...servers(suite), ...running(suite) })],
  [{ trust: true }, (bench) => untrusted(bench)],
  [{ lacks: /^qemu-system-/, settings: { 'mvm.hypervisor': 'qemu' } }, () => bare(suite)],
  ...(suite.boot ? [[await neighboursOf(target), () => neighbours(suite)]] : []),
];
for (const [options, make] of benches) {
  if (failed >= MOST || !Object.keys(make({})).some(wanted)) {
    continue;
  }
  const bench = await Workbench.start({ ...suite, ...options });
  try {
    await run(bench, make(bench));
  } finally {
    await bench.stop();
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
