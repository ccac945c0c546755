"""The numbers of a run as an event file of TensorBoard."""

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.exports.scalars import scalars_of
from gapscope.exports.subject import Subject, Written


def export(subject: Subject, out: Location) -> Written:
    """Write one event file.

    Raises
    ------
    InputError
        There is no such run, or the folder is not one of this machine.
    """
    if not out.is_local:
        raise InputError(f"TensorBoard's events are written on this machine, not at {out}; name a folder with --out")
    numbers = list(scalars_of(subject.run))
    writer = EventFileWriter(out.path)
    for name, step, value in numbers:
        writer.add_event(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)])))
    writer.close()
    return Written(counted(len(numbers), "number"), f"`tensorboard --logdir {out}`")
