#!/usr/bin/env python3
"""Writes an OCI image archive that holds one static program, and prints the image's name with its digest.

    image.py PROGRAM NAME:TAG ARCHITECTURE ARCHIVE

The same program gives the same digest: no times, owners or names of this machine get in.
"""

import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image"


def tar(files):
    """A tar archive of (path, mode, bytes), the same for the same input."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, mode, data in files:
            info = tarfile.TarInfo(path)
            info.mode, info.size = mode, len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main(program, name, architecture, archive):
    # Not at the root, where it would be in the way of a volume at /app.
    entry = "bin/" + os.path.basename(program)
    blobs = {}

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"{OCI}.{media_type}", "digest": "sha256:" + digest, "size": len(data)}

    with open(program, "rb") as file:
        layer = blob(tar([(entry, 0o755, file.read())]), "layer.v1.tar")
    config = blob(
        canonical({
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/" + entry], "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        }),
        "config.v1+json",
    )
    manifest = blob(
        canonical({
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": config,
            "layers": [layer],
        }),
        "manifest.v1+json",
    )
    named = dict(manifest, annotations={"io.containerd.image.name": name})
    index = canonical({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [named]})
    layout = [("oci-layout", 0o644, b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", 0o644, index)]
    layout += [("blobs/sha256/" + digest, 0o644, data) for digest, data in sorted(blobs.items())]
    with open(archive, "wb") as out:
        out.write(tar(layout))
    print(f"{name.rsplit(':', 1)[0]}@{manifest['digest']}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
