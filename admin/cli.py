"""The ``holdfast`` command: every process and every operator's verb starts here.

Leaves each verb to the module that does it, imported only when it is asked for: the worker starts
without the bridge's code, and ``--help`` without any.
"""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from admin.errors import OperatorError

Arguments = argparse.Namespace

_DEV_STATE = Path(".holdfast")
_DEMO_STATE = Path(".holdfast/demo")
_LOAD_STATE = Path(".holdfast/load")
_SCENARIOS_STATE = Path(".holdfast/scenarios")


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; the exit status is 0, 1 for a failure, 2 for wrong words or settings."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another
    arguments = _parser().parse_args(words)
    try:
        status: int = arguments.verb(arguments, os.environ)
    except OperatorError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


# -- processes: the Procfile's lines -----------------------------------------------------------


def _bridge(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import processes

    return processes.bridge(environ)


def _worker(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import processes

    return processes.worker(environ)


def _admin(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import app

    return app.main(environ)


def _migrate(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import processes

    return processes.migrate(environ)


def _seed(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import processes

    return processes.seed(environ, arguments.file)


# -- local runs --------------------------------------------------------------------------------


def _simulator(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from bridge.simulator.agent import serve

    asyncio.run(serve(arguments.host, arguments.port))
    return 0


def _dev(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import dev
    from admin.surroundings import Ports

    ports = Ports(
        web=arguments.port, admin=arguments.admin_port, simulator=arguments.simulator_port
    )
    return asyncio.run(dev.run(environ, arguments.state, ports))


def _demo(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import demo

    return asyncio.run(demo.run(environ, arguments.state, as_json=arguments.json))


def _call(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import calling

    return asyncio.run(
        calling.call(
            environ,
            arguments.state,
            arguments.scenario,
            wav=arguments.wav,
            bridge_url=arguments.bridge_url,
            to_number=arguments.to,
            as_json=arguments.json,
        )
    )


def _load(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import load

    return asyncio.run(
        load.run(
            environ,
            arguments.state,
            calls=arguments.calls,
            seconds=arguments.seconds,
            as_json=arguments.json,
            frame_ms=arguments.frame_ms,
            barge_ins_per_minute=arguments.barge_ins_per_minute,
            bound=arguments.bound,
        )
    )


def _scenarios(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import scenarios

    if arguments.list:
        return scenarios.show_list(arguments.names)
    return asyncio.run(
        scenarios.run(
            environ,
            arguments.state,
            arguments.names,
            parallel=arguments.parallel,
            as_json=arguments.json,
            write=arguments.write,
        )
    )


def _bench_sound(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import bench

    return bench.sound(rounds=arguments.rounds, as_json=arguments.json)


def _chaos_bookings(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin.chaos import bookings

    return asyncio.run(
        bookings.run(
            environ,
            calls=arguments.calls,
            database=arguments.database,
            seed_number=arguments.seed,
            at_once=arguments.at_once,
            calm=arguments.calm,
            keep=arguments.keep,
            as_json=arguments.json,
        )
    )


def _bench_tools(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import bench_tools

    return bench_tools.tools(environ, rounds=arguments.rounds, as_json=arguments.json)


# -- operators ---------------------------------------------------------------------------------


def _queues(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import queue_verbs as verbs

    state, as_json = arguments.state, arguments.json
    match arguments.act:
        case "dead":
            doing = verbs.dead(environ, state, limit=arguments.limit, as_json=as_json)
        case "log":
            doing = verbs.log(environ, state, limit=arguments.limit, as_json=as_json)
        case "retry":
            doing = verbs.retry(environ, state, arguments.job_id, as_json=as_json)
        case "drop":
            doing = verbs.drop(environ, state, arguments.job_id, as_json=as_json)
        case "purge":
            doing = verbs.purge(environ, state, dry_run=arguments.dry_run, as_json=as_json)
        case _:
            doing = verbs.show(environ, state, as_json=as_json)
    return asyncio.run(doing)


def _phrases_list(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import verbs

    return asyncio.run(
        verbs.list_phrases(environ, arguments.state, _filters(arguments), as_json=arguments.json)
    )


def _phrases_flush(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from admin import verbs

    return asyncio.run(
        verbs.flush_phrases(
            environ,
            arguments.state,
            _filters(arguments) | {"key": arguments.key},
            everything=arguments.all,
            dry_run=arguments.dry_run,
            as_json=arguments.json,
        )
    )


def _filters(arguments: Arguments) -> dict[str, str | None]:
    return {name: getattr(arguments, name) for name in ("practice", "voice", "kind")}


# -- words -------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast", description="Twilio ↔ Deepgram that does not drop calls."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, does: object, says: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=says, description=says)
        added.set_defaults(verb=does)
        return added

    verb("bridge", _bridge, "Serve calls (the Procfile's web).")
    verb("worker", _worker, "Run tool jobs (the Procfile's worker).")
    verb("admin", _admin, "Serve the admin API (the Procfile's admin).")
    verb("migrate", _migrate, "Bring the database to the newest shape (the Procfile's release).")
    seed = verb("seed", _seed, "Enter a practice from a TOML file; the demo's without one.")
    seed.add_argument("file", type=Path, nargs="?")

    simulator = verb("simulator", _simulator, "Serve as Deepgram: agent and speech, for tests.")
    simulator.add_argument("--host", default="127.0.0.1")
    simulator.add_argument("--port", type=int, default=8082)

    dev = verb("dev", _dev, "Run everything on this machine until Ctrl-C.")
    dev.add_argument("--port", type=int, default=8080, help="of the bridge (8080)")
    dev.add_argument("--admin-port", type=int, default=8081)
    dev.add_argument("--simulator-port", type=int, default=8082)
    _add_state(dev, _DEV_STATE)

    demo = verb("demo", _demo, "Run everything, place one call, show the appointment it booked.")
    _add_json(demo)
    _add_state(demo, _DEMO_STATE)

    call = verb("call", _call, "Place one simulated call at the bridge that runs here.")
    call.add_argument("scenario", metavar="SCENARIO", help="a name, or a path to a .toml file")
    call.add_argument("--wav", type=Path, help="where the stereo recording goes")
    call.add_argument("--bridge-url", help="of another bridge; its settings from the environment")
    call.add_argument("--to", default="+15550100200", help="the number dialled")
    _add_json(call)
    _add_state(call, _DEV_STATE)

    load = verb("load", _load, "Hold many simulated calls on a bridge of its own; measure it.")
    load.add_argument("--calls", type=int, default=50)
    load.add_argument("--seconds", type=float, default=20.0)
    load.add_argument("--frame-ms", type=int, default=20, help="sound in one message of the agent")
    load.add_argument("--barge-ins-per-minute", type=float, default=6.0, help="in each call (6)")
    load.add_argument(
        "--bound", action="store_true", help="exit 1 also for a late greeting or clear"
    )
    _add_json(load)
    _add_state(load, _LOAD_STATE)

    scenarios = verb("scenarios", _scenarios, "Play scripted calls and judge each; all that ship.")
    scenarios.add_argument("names", metavar="NAME", nargs="*", help="a name, or a .toml file")
    scenarios.add_argument("--list", action="store_true", help="only say which there are")
    scenarios.add_argument("--parallel", type=int, help="calls at once (five a core)")
    scenarios.add_argument("--write", type=Path, metavar="FILE", help="the table, as a document")
    _add_json(scenarios)
    _add_state(scenarios, _SCENARIOS_STATE)

    bench = verb("bench", None, "Measure what our own work costs on this machine.")
    benches = bench.add_subparsers(required=True, metavar="WHAT")
    says = "CPU of each thing done to a frame; 1 if the quality meter's bound is missed."
    bench_sound = benches.add_parser("sound", help=says, description=says)
    bench_sound.set_defaults(verb=_bench_sound)
    bench_sound.add_argument("--rounds", type=int, default=60, help="through the same talk (60)")
    _add_json(bench_sound)

    says = (
        "Round trip of a tool that does nothing, beside arq and the floor; 1 if a bound is missed."
    )
    bench_tools = benches.add_parser("tools", help=says, description=says)
    bench_tools.set_defaults(verb=_bench_tools)
    bench_tools.add_argument("--rounds", type=int, default=16, help="of each kind, in turns (16)")
    _add_json(bench_tools)

    chaos = verb("chaos", None, "Break everything under live calls and count what was promised.")
    ordeals = chaos.add_subparsers(required=True, metavar="WHAT")
    says = "Book while workers are killed, Redis restarts and lines are cut; 1 if one is wrong."
    chaos_bookings = ordeals.add_parser("bookings", help=says, description=says)
    chaos_bookings.set_defaults(verb=_chaos_bookings)
    chaos_bookings.add_argument("--calls", type=int, default=500)
    chaos_bookings.add_argument("--at-once", type=int, default=40, help="calls at a time (40)")
    chaos_bookings.add_argument("--seed", type=int, default=1, help="which callers, which weather")
    chaos_bookings.add_argument(
        "--database", default="sqlite", help="sqlite, postgres, or an empty database's address"
    )
    chaos_bookings.add_argument("--calm", action="store_true", help="break nothing, to compare")
    chaos_bookings.add_argument(
        "--keep", type=Path, metavar="DIR", help="where database and logs stay behind"
    )
    _add_json(chaos_bookings)

    queues = verb("queues", _queues, "Show how full the tool queues are; mend what went wrong.")
    _add_json(queues)
    _add_state(queues, _DEV_STATE)
    mending = queues.add_subparsers(dest="act", metavar="ACT")
    for name, says in (
        ("dead", "Show the dead letters: jobs that nobody runs again by himself."),
        ("log", "Show the jobs that ended last."),
        ("retry", "Try a dead letter again."),
        ("drop", "Take a waiting job off its queue."),
        ("purge", "Forget every dead letter."),
    ):
        act = mending.add_parser(name, help=says, description=says)
        if name in ("dead", "log"):
            act.add_argument("--limit", type=int, default=50, help="at most so many (50)")
        elif name == "purge":
            act.add_argument("--dry-run", action="store_true", help="only count")
        else:
            act.add_argument("job_id", metavar="ID", help="as listed")
        # What was said before the act holds: its own defaults must not undo it.
        act.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
        act.add_argument("--state", type=Path, default=argparse.SUPPRESS)

    phrases = verb("phrases", None, "List or flush cached phrases.")
    acts = phrases.add_subparsers(required=True, metavar="ACT")
    listing = acts.add_parser("list", help="Show what is cached and the hit rate.")
    listing.set_defaults(verb=_phrases_list)
    flush = acts.add_parser("flush", help="Forget phrases; bridges fill the gap by need.")
    flush.set_defaults(verb=_phrases_flush)
    flush.add_argument("--key", help="one phrase, by its key as listed")
    flush.add_argument("--all", action="store_true", help="everything; needed without a filter")
    flush.add_argument("--dry-run", action="store_true", help="only count")
    for act in (listing, flush):
        act.add_argument("--practice")
        act.add_argument("--voice")
        act.add_argument("--kind")
        _add_json(act)
        _add_state(act, _DEV_STATE)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _add_state(parser: argparse.ArgumentParser, default: Path) -> None:
    parser.add_argument(
        "--state", type=Path, default=default, help=f"directory of the local run ({default})"
    )


if __name__ == "__main__":
    sys.exit(main())
