"""Run by the interpreter of the package whose format we share: a line of JSON in, a line of JSON out. Nothing of holdall here."""

import hashlib
import json
import sys

import msglc


def plain(value):
    return value.to_obj() if hasattr(value, "to_obj") else value


def act(do, path, **named):
    """Do one thing, of archives with a magic of their own if one is named."""
    msglc.LazyWriter.set_magic(named.get("magic", "msglc-2024").encode())
    if do == "read":
        with msglc.LazyReader(path) as reader:
            found = [plain(reader.read(part)) for part in named["parts"]]
            whole = reader.to_obj()
            found.append(whole if named.get("whole", True) else str(whole))
            return found
    if do == "payload":
        with msglc.LazyReader(path) as reader:
            return hashlib.sha256(b"".join(reader.protocol_raw_data())).hexdigest()
    if do == "write":
        msglc.config.small_obj_optimization_threshold = named.get("threshold", 8192)
        codec = {"packer": msglc.codec.CBORCodec()} if named.get("codec") == "cbor" else {}
        msglc.dump(path, named["value"], backend=named["backend"], **codec)
    elif do == "append":
        msglc.append(path, [msglc.FileInfo(*file) for file in named["files"]])
    else:
        msglc.combine(path, [msglc.FileInfo(*file) for file in named["files"]])
    return None


for line in sys.stdin:
    try:
        answer = {"answer": act(**json.loads(line))}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
