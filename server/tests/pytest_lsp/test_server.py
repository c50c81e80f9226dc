"""The shipped server as an independent client sees it, in the guise of three editors.

pytest-lsp checks every answer against the capabilities that the client announced; what breaks the specification is a
warning there, and a failure here (`pytest.ini`).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

GOOD = """import mvm

HOST = "api.example.com"


@mvm.app(
    name="agent-tool",
    image=mvm.nix_packages(["python312"]),
    resources=mvm.resources(memory_mb=512),
    network=mvm.network(allow_https=[HOST]),
)
def run(prompt: str) -> str:
    return prompt
"""
BAD = GOOD.replace("memory_mb", "memory_mbs")


@pytest_lsp.fixture(
    config=ClientServerConfig(server_command=[os.environ["MVM_LSP"]]),
    params=["neovim", "emacs", "visual_studio_code"],
)
async def client(request, lsp_client: LanguageClient, tmp_path: Path):
    """A session in a folder with one declaring file that is not open."""
    (tmp_path / "other.py").write_text(BAD.replace("agent-tool", "other-tool"))
    lsp_client.registered = []

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def registered(params: types.RegistrationParams):
        lsp_client.registered += [r.method for r in params.registrations]

    folder = types.WorkspaceFolder(uri=tmp_path.as_uri(), name="folder")
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities(request.param), root_uri=tmp_path.as_uri(), workspace_folders=[folder]
        )
    )
    lsp_client.folder = tmp_path
    yield
    await lsp_client.shutdown_session()


async def opened(client: LanguageClient, text: str) -> str:
    """Opens a document; its findings come the way that this client takes them."""
    path = client.folder / "tool.py"
    path.write_text(text)
    uri = path.as_uri()
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            text_document=types.TextDocumentItem(uri=uri, language_id="python", version=1, text=text)
        )
    )
    return uri


async def findings(client: LanguageClient, uri: str):
    """Pulled where the client pulls, else those that were pushed."""
    if client.capabilities.text_document.diagnostic is not None:
        params = types.DocumentDiagnosticParams(text_document=types.TextDocumentIdentifier(uri=uri))
        return (await client.text_document_diagnostic_async(params)).items
    for _ in range(3600):
        if uri in client.diagnostics:
            return client.diagnostics[uri]
        await asyncio.sleep(0.05)
    raise AssertionError("no diagnostics came")


def at(uri: str, text: str, mark: str):
    """A position inside a piece of the text."""
    offset = text.index(mark) + len(mark) // 2
    line = text[:offset].count("\n")
    column = offset - (text[:offset].rfind("\n") + 1)
    return {
        "text_document": types.TextDocumentIdentifier(uri=uri),
        "position": types.Position(line=line, character=column),
    }


async def test_a_finding_and_its_fix(client: LanguageClient):
    uri = await opened(client, BAD)
    found = await findings(client, uri)
    assert [d.code for d in found] == ["MVM003"]
    params = types.CodeActionParams(
        text_document=types.TextDocumentIdentifier(uri=uri),
        range=found[0].range,
        context=types.CodeActionContext(diagnostics=found, only=[types.CodeActionKind.QuickFix]),
    )
    actions = await client.text_document_code_action_async(params)
    preferred = [a for a in actions if a.is_preferred]
    assert len(preferred) == 1
    if preferred[0].edit is None:
        preferred = [await client.code_action_resolve_async(preferred[0])]
    edit = preferred[0].edit
    changes = edit.document_changes[0].edits if edit.document_changes else edit.changes[uri]
    assert changes[0].new_text == "memory_mb"


async def test_hover_definition_and_references(client: LanguageClient):
    uri = await opened(client, GOOD)
    hover = await client.text_document_hover_async(types.HoverParams(**at(uri, GOOD, "memory_mb")))
    text = hover.contents.value
    assert "memory_mb" in text and "512" in text
    found = await client.text_document_definition_async(types.DefinitionParams(**at(uri, GOOD, "[HOST]")))
    location = found[0] if isinstance(found, list) else found
    assert location.range.start.line == 2
    context = types.ReferenceContext(include_declaration=True)
    references = await client.text_document_references_async(
        types.ReferenceParams(context=context, **at(uri, GOOD, "[HOST]"))
    )
    assert sorted(r.range.start.line for r in references) == [2, 9]


async def test_completion_signature_and_symbols(client: LanguageClient):
    text = GOOD.replace('mode="deny"', "").replace("memory_mb=512", "memory_mb=512, ")
    uri = await opened(client, text)
    place = at(uri, text, "memory_mb=512, ")
    place["position"].character = text.splitlines()[place["position"].line].index("512, ") + 5
    items = await client.text_document_completion_async(types.CompletionParams(**place))
    labels = {i.label for i in (items if isinstance(items, list) else items.items)}
    assert "cpu_cores=" in labels and "memory_mb=" not in labels
    help_ = await client.text_document_signature_help_async(types.SignatureHelpParams(**place))
    assert help_.signatures[0].label.startswith("resources(")
    symbols = await client.text_document_document_symbol_async(
        types.DocumentSymbolParams(text_document=types.TextDocumentIdentifier(uri=uri))
    )
    assert [s.name for s in symbols] == ["agent-tool"]
    everywhere = await client.workspace_symbol_async(types.WorkspaceSymbolParams(query="other"))
    assert [s.name for s in everywhere] == ["other-tool"]


async def test_reading_aids(client: LanguageClient):
    uri = await opened(client, GOOD)
    document = types.TextDocumentIdentifier(uri=uri)
    folds = await client.text_document_folding_range_async(types.FoldingRangeParams(text_document=document))
    assert folds[0].start_line == 5
    lenses = await client.text_document_code_lens_async(types.CodeLensParams(text_document=document))
    assert [lens.command.title for lens in lenses] == ["IR", "Build", "Run"]
    links = await client.text_document_document_link_async(types.DocumentLinkParams(text_document=document))
    assert list(links) == []
    place = at(uri, GOOD, "python312")
    ranges = await client.text_document_selection_range_async(
        types.SelectionRangeParams(text_document=document, positions=[place["position"]])
    )
    assert ranges[0].parent.parent is not None


async def test_the_ir_by_command(client: LanguageClient):
    uri = await opened(client, GOOD)
    params = types.ExecuteCommandParams(command="mvm.showIr", arguments=[{"uri": uri}])
    shown = await client.workspace_execute_command_async(params)
    assert shown["id"] == "agent-tool" and '"memory_mb": 512' in shown["text"]


async def test_a_rename(client: LanguageClient):
    uri = await opened(client, GOOD)
    edit = await client.text_document_rename_async(types.RenameParams(new_name="API", **at(uri, GOOD, "[HOST]")))
    changes = edit.document_changes[0].edits if edit.document_changes else edit.changes[uri]
    assert [c.new_text for c in changes] == ["API", "API"]


@pytest.mark.parametrize("burst", [100])
async def test_a_burst_of_edits_ends_with_the_right_findings(client: LanguageClient, burst: int):
    uri = await opened(client, GOOD)
    line = GOOD.splitlines().index("    resources=mvm.resources(memory_mb=512),")
    column = len("    resources=mvm.resources(memory_mb")
    for n in range(burst):
        start = types.Position(line=line, character=column + n)
        change = types.TextDocumentContentChangePartial(range=types.Range(start=start, end=start), text="s")
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(uri=uri, version=n + 2), content_changes=[change]
            )
        )
    hover = await client.text_document_hover_async(types.HoverParams(**at(uri, GOOD, "mvm.resources")))
    assert hover is not None
    for _ in range(3600):
        codes = [d.code for d in await findings(client, uri)]
        if codes == ["MVM003"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(codes)
