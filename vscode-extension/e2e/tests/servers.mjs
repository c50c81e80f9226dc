// Servers that end, loop, hang, are of another version or not there: each with a sentence and a way on.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../workbench.mjs';

const TOOL = 'import mvm\n\n\n@mvm.app(name="tool", image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass\n';

/** Answers `initialize` as a server of the far future would. */
const FUTURE = `
const body = JSON.stringify({ jsonrpc: '2.0', id: 0, result: { capabilities: { experimental: { workloadIr: true } }, serverInfo: { name: 'mvm-lsp', version: '9.1.0' } } });
process.stdin.once('data', () => process.stdout.write('Content-Length: ' + Buffer.byteLength(body) + '\\r\\n\\r\\n' + body));
setInterval(() => undefined, 1000);
`;

export const servers = ({ server }) => ({
  async 'a killed server comes back, and the preview with it'(bench) {
    await bench.show(bench.folder);
    await bench.open('agent-tool/tool.py');
    const [pid] = await eventually('a server runs', () => {
      const all = bench.servers();
      return all.length > 0 && all;
    });
    const frame = await bench.preview();
    await bench.shows(frame, '"agent-tool"');
    process.kill(pid, 'SIGKILL');
    await eventually('another server runs', () => bench.servers().some((one) => one !== pid));
    await bench.open('hello/hello.py');
    await bench.shows(frame, '"name": "hello"');
    await eventually('the status is well', async () => /^mvm/.test((await bench.status()).trim()));
  },

  async 'a server that hangs is told of, and restarted'(bench) {
    bench.make('examples/hang', { 'hang.py': TOOL });
    await bench.open('hang/hang.py');
    const [pid] = await eventually('a server runs', () => {
      const all = bench.servers();
      return all.length > 0 && all;
    });
    process.kill(pid, 'SIGSTOP');
    await bench.goTo(1, 1);
    await bench.page.keyboard.type('# ');
    const toast = await bench.notification('has not answered');
    await eventually('the status says so', async () => /not answering/.test(await bench.status()) && (await bench.colour()) === 'warning');
    await bench.press(toast, 'Restart');
    await eventually('another server runs, alone', () => bench.servers().length === 1 && bench.servers()[0] !== pid);
    await eventually('the status is well', async () => !/not answering/.test(await bench.status()));
  },

  async 'one that crashes in a loop is started five times, and then its log is offered'(bench) {
    const folder = bench.make('bad', { 'tool.py': TOOL, future: FUTURE, mode: 'crash' });
    const script = `#!/bin/sh\ncd "${folder}"\necho start >> starts\ncase "$(cat mode)" in\ncrash) echo "the disk is on fire" >&2; exit 3;;\nsilent) exec sleep 1000;;\nfuture) exec "${process.execPath}" future;;\nesac\nexec "${server}"\n`;
    writeFileSync(join(folder, 'fake'), script);
    chmodSync(join(folder, 'fake'), 0o755);
    bench.make('bad/.vscode', { 'settings.json': JSON.stringify({ 'mvm.server.path': join(folder, 'fake') }) });
    await bench.show(folder);
    await bench.open('tool.py');
    const toast = await bench.notification('five times');
    assert.equal(readFileSync(join(folder, 'starts'), 'utf8').split('\n').length - 1, 5);
    assert.match(await toast.innerText(), /the disk is on fire/);
    await eventually('the status is red', async () => (await bench.colour()) === 'error');
    await bench.press(toast, 'Show Log');
    await eventually('the log is shown', async () => (await bench.panel()).includes('[error]'));
    await bench.quiet();
    await bench.command('View: Hide Panel');
  },

  async 'one of another version is refused'(bench) {
    writeFileSync(join(bench.root, 'bad/mode'), 'future');
    await bench.command('mvm: Restart the Server');
    await bench.notification('9.1.0; this extension needs 0.1');
    await eventually('the status says so', async () => /^mvm$/.test((await bench.status()).trim()));
    await bench.quiet();
  },

  async 'one that says nothing at its start is given up'(bench) {
    writeFileSync(join(bench.root, 'bad/mode'), 'silent');
    await bench.command('mvm: Restart the Server');
    const toast = await bench.notification('has said nothing for');
    writeFileSync(join(bench.root, 'bad/mode'), 'real');
    await bench.press(toast, 'Restart');
    await bench.open('tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "tool"');
  },

  async 'one that is not there is named'(bench) {
    bench.make('bad/.vscode', { 'settings.json': JSON.stringify({ 'mvm.server.path': '/nowhere/mvm-lsp' }) });
    await bench.show(join(bench.root, 'bad'));
    await bench.open('tool.py');
    const toast = await bench.notification('/nowhere/mvm-lsp');
    assert.match(await toast.innerText(), /Correct it or clear it/);
    await bench.quiet();
  },
});
