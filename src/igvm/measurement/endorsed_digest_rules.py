"""ID blocks against digests: whether a loader leads to the digest that a file vouches for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.rule import Many
from igvm.launch.lint.inspected_launch import InspectedLaunch
from igvm.launch.lint.loader_rule import ERROR, NOTE, LoaderRule
from igvm.measurement.endorsed_digests import endorsed_digests, matches_text, values_text
from igvm.measurement.page_cache import ContentCache
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from igvm.checks.rule import Found
    from igvm.file.view import IgvmFile
    from igvm.launch.loader import Loader
    from igvm.measurement.endorsed_digests import EndorsedDigest

_SOURCE = "SEV-SNP firmware ABI, SNP_LAUNCH_FINISH"


class MeasuredLaunch(InspectedLaunch):
    """A launch as rules look at it that need its digest.

    Attributes:
        vcpus: numbers of vCPUs that the guest may get; None where nothing is known.
        cpu: their processor, where it is known.
    """

    def __init__(
        self,
        file: IgvmFile,
        loader: Loader,
        platform: PlatformType | None,
        *,
        vcpus: Collection[int] | None = None,
        cpu: str | int | None = None,
    ) -> None:
        super().__init__(file, loader, platform)
        self.vcpus, self.cpu = vcpus, cpu
        self._contents = ContentCache(file)

    @functools.cached_property
    def id_blocks(self) -> list[EndorsedDigest]:
        """The ID blocks of what is started, held against what the loader leads to."""
        if self.platform != PlatformType.SEV_SNP:
            return []
        return self._endorsed([self.loader.name], is_thorough=True)

    @functools.cached_property
    def id_blocks_elsewhere(self) -> list[EndorsedDigest]:
        """The same blocks, held against other loaders and tools, and other guests of this one."""
        from igvm.launch.loader_table import loader_names

        is_narrowed = self.vcpus is not None or self.cpu is not None
        others = [name for name in loader_names() if is_narrowed or name != self.loader.name]
        return self._endorsed(others, is_thorough=False)

    def _endorsed(self, loaders: list[str], *, is_thorough: bool) -> list[EndorsedDigest]:
        return endorsed_digests(
            self.file,
            platforms=[PlatformType.SEV_SNP],
            loaders=loaders,
            vcpus=self.vcpus if is_thorough else None,
            cpu=self.cpu if is_thorough else None,
            every_feature=is_thorough,
            contents=self._contents,
        )


def id_block_digest(inspected: MeasuredLaunch) -> Found:
    """The launch ends with BAD_MEASUREMENT.

    Pages that a loader loads in another way cannot be mended by another number of vCPUs. Sign the
    file again, for the digest that `igvm measure --loader` tells, or launch it with what it was
    signed for: a tool such as igvmmeasure measures VMSAs as they are in the file, where it has
    them, and KVM measures those that it builds, last.
    """
    blocks = inspected.id_blocks
    wrong = [number for number, block in enumerate(blocks) if block.is_foreign]
    if not wrong:
        return

    def describe(row: int) -> str:
        block = blocks[wrong[row]]
        elsewhere = matches_text(inspected.id_blocks_elsewhere[wrong[row]].matches)
        tried = f", with {_enumerated(block.tried)} tried" if block.tried else ""
        return (
            f"ld is {block.digest.hex()[:16]}..., and no launch of this file has that digest{tried}"
            f"; it is that of {elsewhere or 'no other loader or tool either'}"
        )

    yield Many([blocks[number].header_index for number in wrong], "ld", describe)


def id_block_values(inspected: MeasuredLaunch) -> Found:
    """With other values the launch has another digest, and ends.

    Give the guest these, or sign the file again, for the digest that `igvm measure --loader`
    tells.
    """
    blocks = inspected.id_blocks
    told = [
        block
        for block in blocks
        if inspected.loader.name in block.not_compared or any(map(values_text, block.matches))
    ]

    def describe(row: int) -> str:
        block = told[row]
        if block.matches:
            return "ld is the digest of " + " or of ".join(map(values_text, block.matches))
        reason = block.not_compared[inspected.loader.name]
        return f"the launch was not measured to compare ld: {reason}"

    yield Many([block.header_index for block in told], "ld", describe)


def digest_rules(loader: Loader) -> Iterator[LoaderRule]:
    """The rules of `loader` that need a digest."""
    if not loader.takes_id_block:
        return
    words = "{who} hands the ID block to the firmware, which ends a launch that has another digest"
    yield LoaderRule("id-block-digest", ERROR, words, _SOURCE, id_block_digest)
    if loader.vmm is not None:
        words = "the digest in the ID block is that of one kind of host"
        yield LoaderRule("id-block-values", NOTE, words, _SOURCE, id_block_values)


def _enumerated(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
