"""A Slurm cluster of one node on this machine, started by hand and gone with the tests."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")

# No cgroups and no accounting, which a container may not have. In the partition `later` jobs are taken, and wait.
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=20
MailProg=/bin/true
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=cells Nodes=node Default=YES
PartitionName=later Nodes=node State=DOWN
"""


@dataclass
class Slurm:
    """The cluster: its commands find it by SLURM_CONF."""

    folder: Path
    daemons: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        text = CONFIGURATION.format(folder=self.folder, host=socket.gethostname(), ports=_free_ports(2))
        self.configuration.write_text(text)
        of_munge = [f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in ("socket", "key-file", "pid-file")]
        of_munge += [f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed"]
        self._begin("munged", "--foreground", "--force", *of_munge)
        self.wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._begin("slurmctld", "-D", "-c", "-f", str(self.configuration))
        self._begin("slurmd", "-D", "-N", "node", "-f", str(self.configuration))
        self.wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T", check=False), "the node")

    @property
    def configuration(self) -> Path:
        return self.folder / "slurm.conf"

    def stop(self) -> None:
        """End the jobs, then the daemons."""
        try:
            if all(daemon.poll() is None for daemon in self.daemons):
                self.ask("scancel", "--me")
                self.wait(lambda: not self.jobs(), "the last jobs to end")
        finally:
            for daemon in reversed(self.daemons):
                daemon.terminate()
                try:
                    daemon.wait(20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()

    def ask(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm says."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, (command, done.stderr)
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """The jobs that wait or run, by id, each with its state."""
        lines = self.ask("squeue", "--me", "--array", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split(" ") for line in lines)

    def job(self, name: str) -> dict[str, str]:
        """What is known of a job, also of one that has ended."""
        words = self.ask("scontrol", "--oneliner", "show", "job", name).split()
        return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}

    def start_again(self, name: str, lives: int) -> None:
        """Let a job have its next life now: Slurm gives it to a job that lost its place after two minutes."""
        self.wait(lambda: self.job(name)["Restarts"] == str(lives), f"{name} to be taken back")
        self.wait(lambda: self.job(name)["JobState"] == "PENDING", f"the end of life {lives} of {name}")
        self.ask("scontrol", "update", f"jobid={name}", "StartTime=now")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 240.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}\n{self.log()}"
            time.sleep(0.05)

    def log(self) -> str:
        """The last that the daemons said, for a test that fails."""
        return "\n".join(
            f"{path.name}:\n" + "\n".join(path.read_text(errors="replace").splitlines()[-30:])
            for path in sorted(self.folder.glob("*.log"))
        )

    def _begin(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out.log").open("wb") as log:
            self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A running cluster; skips where that takes packages that are not there, or another user."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed (see .ci/system-packages.txt)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    if os.getuid() != 0:
        pytest.skip("Slurm's daemons are started by root only")
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
            patch.delenv(name)
        patch.setenv("SLURM_CONF", str(cluster.configuration))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
