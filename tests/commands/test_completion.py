"""``galgen completion``: the script is one that the shell reads, and it completes."""

import shutil
import subprocess

import pytest

import galgen.cli
from galgen.cli import main
from galgen.commands.command import COMMANDS

ASK = """
source ./completion.bash
while read -ra COMP_WORDS; do
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _tyro_galgen; echo "${COMPREPLY[*]}"
done
"""
ASKED = {
    "galgen sa": "sample",
    "galgen export mocks.h5 --to p": "parquet",
    "galgen export --o": "--output",
    "galgen train mine.py --trainer.st": "--trainer.steps",
    "galgen sample run --po": "--points",
    "galgen inspect mo": "",
    "galgen inspect --picture compl": "completion.bash",
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_the_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(f"'{name}': {{'description'" in script for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "complete -o default -F _tyro_galgen galgen" in script, "files where no option is"
    (tmp_path / "completion.bash").write_text(script)
    done = subprocess.run(
        ["bash", "-c", ASK],
        input="\n".join([*ASKED, ""]),
        cwd=tmp_path,
        text=True,
        capture_output=True,
    )
    assert dict(zip(ASKED, done.stdout.split("\n"), strict=False)) == ASKED, done.stderr


def test_every_command_is_told_of():
    rows = [row.split()[1] for row in galgen.cli.USAGE.splitlines() if row[:9] == "  galgen "]
    assert list(COMMANDS) == rows[: len(COMMANDS)]
