"""`sentinel holds` and `sentinel release`, for what is held that deploys from Git."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel.app.commands.flags import Place
from sentinel.app.commands.output import Output
from sentinel.app.commands.rollouts import releasing, status
from sentinel.domain.record.state import Phase
from tests.stories.gitops import AUTOMATED, by_argocd


async def test_a_hold_is_listed_and_released_without_a_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status` shows it too, and whoever looks elsewhere is told where; afterwards what it changed is as it was."""
    async with by_argocd(tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await made.world.stop()
        everywhere = Place("", made.world.environ["SENTINEL_KUBERNETES__KUBECONFIG"])
        await releasing._holds(everywhere, Output.JSON)
        (hold,) = json.loads(capsys.readouterr().out)
        assert (hold["keeper"], hold["state"]) == ("Argo CD Application argocd/shop", "in force")
        await status._status(everywhere, Output.JSON, watch=False)
        (shown,) = json.loads(capsys.readouterr().out)
        assert shown["heldKeeper"] == hold["keeper"]
        await releasing._holds(everywhere, Output.TABLE)
        assert "its source changes" in capsys.readouterr().out
        await releasing._holds(replace(everywhere, namespace="other"), Output.TABLE)
        assert capsys.readouterr().out == "nothing that deploys a workload in namespace other is held\n"
        (answer,) = await releasing._release("", everywhere, Output.JSON, yes=True) or ()
        assert "Argo CD Application argocd/shop is released" in answer.message
        assert (made.automated(), made.nothing_of_ours()) == (AUTOMATED, True)
        await releasing._holds(everywhere, Output.JSON)
        (hold,) = json.loads(capsys.readouterr().out)
        assert hold["state"] == "lifted"
