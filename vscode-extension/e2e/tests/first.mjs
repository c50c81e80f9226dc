// Before anything declares a workload: nothing runs. And the window of several roots.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { eventually } from '../waiting.mjs';

const TOOL = (name) => `import mvm\n\n\n@mvm.app(name="${name}", image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass\n`;

/** How long a server takes from its start to the answer to `initialize`, when nobody stands between. */
function own(program) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'ignore'] }).on('error', reject);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { processId: null, rootUri: null, capabilities: {} } });
    child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    child.stdout.once('data', () => {
      resolve(performance.now() - start);
      child.kill();
    });
  });
}

export const first = {
  async 'it is idle until a file mentions mvm'(bench) {
    await bench.show(bench.make('plain', { 'plain.py': 'import os\n\nprint(os.getcwd())\n' }));
    await bench.find('plain.py');
    await bench.run('workbench.action.showRuntimeExtensions');
    const row = bench.page.locator('.runtime-extensions-editor .monaco-list-row', { hasText: 'mvm' });
    const time = await eventually('the extension is active', async () => /Activation: (\d+)ms/.exec(await row.first().innerText())?.[1]);
    console.log(`     activated in ${time} ms`);
    assert.deepEqual(bench.servers(), []);
    assert.equal(await bench.page.locator('[id="mvm-lsp.mvm.mvm.status"]').count(), 0);
    await bench.open('plain.py');
    await bench.goTo(1, 1);
    await bench.page.keyboard.type('import mvm\n');
    await eventually('the server starts', () => bench.servers().length === 1);
    await eventually('the status says so', async () => (await bench.status()).includes('mvm'));
    // A figure, no assertion: with everything cold, and what else the machine does in it.
    const [, ready] = await eventually('the log says when it was ready', () => /ready (\d+) ms after/.exec(bench.logs()));
    console.log(`     ready ${ready} ms after its start; the server's own start takes ${(await own(bench.processes('mvm-lsp')[0].path)).toFixed(0)} ms`);
    await bench.revert();
  },

  async 'several roots have one server and previews of their own'(bench) {
    const one = bench.make('one', { 'one.py': TOOL('first-root') });
    const two = bench.make('two', { 'two.py': TOOL('second-root'), 'pyproject.toml': '[tool.mvm.check]\nselect = ["MVM2"]\n' });
    const both = join(bench.root, 'both.code-workspace');
    writeFileSync(both, JSON.stringify({ folders: [{ path: one }, { path: two }], settings: {} }));
    await bench.show(both);
    await bench.open('one.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "first-root"');
    await bench.open('two.py');
    await bench.shows(frame, '"name": "second-root"');
    assert.match(await frame.locator('h1').innerText(), /two/);
    // That of the window before may take a moment to end.
    await eventually('there is one server', () => bench.servers().length === 1);
  },
};
