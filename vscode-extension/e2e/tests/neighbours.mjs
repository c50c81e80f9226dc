// Beside the servers of Pyright, Ruff and Python's extension: everything is shown, ours once.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../waiting.mjs';
import { fix } from './editing.mjs';

const TOOL = `import os
import mvm


@mvm.app(imag=mvm.nix_packages(["python3"]))
def run(count: int) -> str:
    return count


secret = mvm.secret("openai-api-key")
`;

export const neighbours = ({ repository }) => ({
  async 'beside Pyright, Ruff and Jedi nothing is shown twice, and everybody is heard'(bench) {
    const folder = bench.make('neighbours', { 'tool.py': TOOL });
    writeFileSync(join(folder, 'pyrightconfig.json'), JSON.stringify({ extraPaths: [join(repository, 'sdk/python/src')] }));
    await bench.show(folder);
    await bench.open('tool.py');
    await bench.run('workbench.actions.view.problems');
    const rows = bench.page.locator('.markers-panel .monaco-list-row');
    const problems = async () => (await rows.allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));
    for (const [who, what] of [['mvm-lsp', /MVM003/], ['Ruff', /Ruff.*F401|F401.*Ruff/], ['Pyright', /Pyright.*reportReturnType|reportReturnType/]]) {
      await eventually(`a finding of ${who}`, async () => (await problems()).some((text) => what.test(text)));
    }
    const all = await problems();
    assert.deepEqual(all.filter((text, i) => all.indexOf(text) !== i), [], 'a problem is listed twice');
    await bench.hidePanel();

    await bench.goTo(10, 16);
    const hover = bench.page.locator('.monaco-hover-content');
    await bench.asked('a hover of all', () => bench.run('editor.action.showHover'), hover.filter({ hasText: 'secret' }).filter({ hasText: '(function)' }));
    await bench.screenshot('neighbours');
    const parts = (await hover.first().locator('.hover-row').allInnerTexts()).map((text) => text.trim());
    assert.deepEqual(parts.filter((text, i) => parts.indexOf(text) !== i), [], 'a hover is shown twice');
    await bench.page.keyboard.press('Escape');

    await bench.open('tool.py');
    await bench.goTo(5, 12);
    await fix(bench, 'image');
    await eventually('it is mended, once', async () => /@mvm\.app\(image=mvm/.test(await bench.saved(join(folder, 'tool.py'))));
    await bench.goTo(5, 10);
    await bench.page.keyboard.type('resou');
    // A type checker that knows the package offers the name too; ours says what it takes, and is there once.
    const ours = bench.page.locator('.suggest-widget .monaco-list-row', { hasText: 'resources: resources' });
    await bench.asked('the argument is offered', () => bench.page.keyboard.press('Control+Space'), ours);
    assert.equal(await ours.count(), 1);
    await bench.page.keyboard.press('Escape');
    await bench.revert();
  },
});
