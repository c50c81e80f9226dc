import assert from 'node:assert/strict';
import { test } from 'node:test';

import { words } from '../src/ctl';
import { checks, commandsOf, written } from '../src/doctor';
import { merged, type Machine } from '../src/machines';
import { Patience, wrongServer } from '../src/versions';

const answer = (name: string, version?: string): Parameters<typeof wrongServer>[0] => ({
  serverInfo: version === undefined ? { name } : { name, version },
  capabilities: { experimental: { workloadIr: true } },
});

void test('a server of another series, or another server, is refused in a sentence that says what to do', () => {
  assert.equal(wrongServer(answer('mvm-lsp', '0.1.7'), '/x', '0.1.0'), undefined);
  assert.match(wrongServer(answer('mvm-lsp', '0.2.0'), '/x', '0.1.0') ?? '', /\/x is mvm-lsp 0\.2\.0; this extension needs 0\.1\. Install/);
  assert.match(wrongServer(answer('mvm-lsp'), '/x', '0.1.0') ?? '', /of no version/);
  assert.match(wrongServer(answer('pylsp', '1.2'), '/x', '0.1.0') ?? '', /pylsp 1\.2, not an mvm-lsp/);
  assert.match(wrongServer({ capabilities: {} }, '/x', '0.1.0') ?? '', /a server without a name/);
  assert.match(wrongServer(undefined, '/x', '0.1.0') ?? '', /clear `mvm\.server\.path`/);
});

void test('a request without an answer is late once, and in time again with the next answer', async () => {
  const told: boolean[] = [];
  const late = new Promise<void>((resolve) => {
    const patience = new Patience((value) => {
      told.push(value);
      resolve();
      if (value) {
        void patience.watch(Promise.resolve());
      }
    }, 1);
    void patience.watch(new Promise(() => undefined));
  });
  await late;
  await new Promise(setImmediate);
  assert.deepEqual(told, [true, false]);
});

void test('an answer in time is no news', async () => {
  const patience = new Patience(() => assert.fail('late'), 60_000);
  assert.equal(await patience.watch(Promise.resolve(7)), 7);
  await assert.rejects(patience.watch(Promise.reject(new Error('no'))), /no/);
});

void test('the doctor says what is wrong and types what mends it, without another command in it', () => {
  const all = checks({
    checks: [
      { id: 'host', status: 'ok', what: '2 processors', remedy: '`apt-get install nothing`' },
      { id: 'qemu', status: 'fail', what: 'qemu is not on PATH', why: 'no guest runs', remedy: 'install it: `apt-get install qemu-system-x86`' },
      { id: 'odd', status: 'warn', what: 'x', remedy: '`rm -rf x` or `modprobe kvm; rm x`' },
    ],
  });
  assert.ok(all);
  assert.match(written(all), /✗ qemu is not on PATH\n {4}no guest runs\n {4}→ install it/);
  assert.deepEqual(commandsOf(all, false), ['sudo apt-get install qemu-system-x86', 'sudo modprobe kvm  rm x']);
  assert.deepEqual(commandsOf(all.slice(1, 2), true), ['apt-get install qemu-system-x86']);
  assert.equal(checks('no report'), undefined);
});

void test('errors of mvmctl in words', () => {
  assert.equal(words('{"error":{"message":"no machine","help":"start one"}}\n'), 'no machine — start one');
  assert.equal(words('plain\u001b[1m words\n'), 'plain words');
  assert.equal(words('{"progress":{}}\n'), '');
});

void test('of the machines only what changed is drawn anew, and a machine stays the same object', () => {
  const machine = (name: string, state = 'ready'): Machine => ({ name, workload: 'w', app: 'a', state, hypervisor: 'qemu-tcg', pid: 1, started_at: 0 });
  const first = merged([], [machine('a'), machine('b', 'booting')]);
  assert.deepEqual(first.news, [undefined]);
  const quiet = merged(first.all, [machine('a'), machine('b', 'booting')]);
  assert.deepEqual(quiet.news, []);
  const ready = merged(quiet.all, [machine('a'), machine('b')]);
  assert.deepEqual(ready.news, [machine('b')]);
  assert.ok(ready.all.every((one, i) => one === first.all[i]));
  assert.deepEqual(merged(ready.all, [machine('a')]).news, [undefined]);
  assert.deepEqual(merged(ready.all, []), { all: [], news: [undefined] });
});
