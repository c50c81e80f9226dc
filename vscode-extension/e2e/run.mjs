// Tests in VS Code's own workbench: run.mjs [--server FILE] [--vsix FILE] [--code-server DIR] [--no-boot] [NAME…]
// Installs code-server where it is not, packs the extension unless one is named. --no-boot leaves real guests
// and the servers of other extensions out.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { neighbours as neighboursOf } from './neighbours/pack.mjs';
import { packed } from './pack.mjs';
import { Workbench, install } from './workbench.mjs';
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
  inside: await packed('inside', target),
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
const MOST = 3;
const wanted = (name) => only.length === 0 || only.some((word) => name.includes(word));

/** Runs one test from the beginning on; says what was seen when it fails. */
async function ends(bench, name, test) {
  const start = performance.now();
  try {
    await bench.begin();
    await test(bench);
    passed += 1;
    console.log(`ok   ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack}\n${await bench.seen(`failed-${failed}`)}`);
    return false;
  }
}

/** Runs tests in the window of one workbench; after one that failed the next has a new one. */
async function run(options, tests) {
  let bench;
  try {
    for (const [name, test] of Object.entries(tests).filter(([one]) => wanted(one))) {
      if (failed >= MOST) {
        console.log('     too much has failed: the rest is not run');
        return;
      }
      bench ??= await Workbench.start({ ...suite, ...options });
      if (!(await ends(bench, name, test))) {
        await bench.stop();
        bench = undefined;
      }
    }
  } finally {
    await bench?.stop();
  }
}

// Whoever gives up leaves nothing behind.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

/** Tests on the examples. */
const home = (tests) => Object.fromEntries(Object.entries(tests).map(([name, test]) => [name, (bench) => bench.in(bench.folder).then(() => test(bench))]));

const beside = suite.boot && Object.keys(neighbours(suite)).some(wanted) ? await neighboursOf(target) : undefined;
install(suite);
if (beside) {
  install({ ...suite, ...beside });
}
// Two at a time: most of a test is waiting.
await Promise.all([
  run({}, { ...first, ...home({ ...editing(suite), ...running(suite) }), ...preview(suite) }),
  (async () => {
    await run({}, servers(suite));
    await run({ trust: true }, untrusted);
    await run({ lacks: /^qemu-system-/, settings: { 'mvm.hypervisor': 'qemu' } }, home(bare(suite)));
    if (beside) {
      await run(beside, neighbours(suite));
    }
  })(),
]);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
