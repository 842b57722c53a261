"""Jobs of the scheduler from experiments that were checked against their cubes."""

from experiments.fit import Prepared
from experiments.schedule import Job


def job_of(prepared: Prepared, command: str, batch: str = "") -> Job:
    """What a worker needs to make the same run; ``command`` is what repeats it by hand."""
    experiment = prepared.experiment
    return Job(
        experiment=experiment.name,
        document=experiment.resolved(),
        overridden=tuple(sorted(experiment.overridden)),
        command=command,
        run_id=prepared.run_id,
        cube_hash=str(prepared.cube.attrs["cube_hash"]),
        batch=batch,
    )
