// A workspace that is not trusted: read and checked with the server that came along; no other program is started.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../waiting.mjs';

/** A workspace that names a server of its own: one that leaves a trace. */
async function trap(bench) {
  const program = join(bench.bin, 'mvm-lsp');
  const sprung = join(bench.root, 'sprung');
  writeFileSync(program, `#!/bin/sh\ntouch "${sprung}"\nexit 1\n`);
  chmodSync(program, 0o755);
  bench.make('examples/.vscode', { 'settings.json': JSON.stringify({ 'mvm.server.path': program, 'mvm.ctl.path': program }) });
  await bench.show(bench.folder); // Its settings are read when the window is made.
  await bench.open('hello/hello.py');
  return sprung;
}

export const untrusted = {
  async 'without trust the bundled server alone is started, and nothing can be run'(bench) {
    const sprung = await trap(bench);
    const [{ path }] = await eventually('a server runs', () => {
      const all = bench.processes('mvm-lsp');
      return all.length > 0 && all;
    });
    assert.ok(path.startsWith(bench.extensions), path);
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "hello"');
    assert.equal(await bench.offers('mvm: Run in a MicroVM'), false);
    assert.equal(await bench.offers('mvm: Show Workload IR'), true);
    const lenses = bench.page.locator('.codelens-decoration a');
    await lenses.filter({ hasText: /^IR$/ }).first().waitFor();
    assert.equal(await lenses.filter({ hasText: /^(Run|Build)$/ }).count(), 0);
    assert.equal(existsSync(sprung), false);
    await bench.screenshot('untrusted');
  },

  async 'with trust the server that the workspace names is started'(bench) {
    const sprung = await trap(bench);
    await bench.run('workbench.trust.manage');
    await bench.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust/ }).first().click();
    await eventually('it is started', () => existsSync(sprung));
    await bench.notification('five times');
  },
};
