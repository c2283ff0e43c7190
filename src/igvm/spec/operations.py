"""What can be done with a guest's memory and processors before it runs: the words of a plan."""

from __future__ import annotations

from igvm.wire.openenum import OpenEnum


class Operation(OpenEnum):
    """What a loader does with one header, or with something that it makes up."""

    NORMAL = 1
    """Import pages as private memory; the contents are measured."""
    ZERO = 2
    """Import pages with the technology's own type for pages of zeroes."""
    UNMEASURED = 3
    """Import pages as private memory; the contents are not measured."""
    SECRETS = 4
    """Reserve pages for the secrets of the firmware."""
    CPUID = 5
    """Import pages as the table of CPUID answers that the firmware checks."""
    SHARED = 6
    """Import pages as host-visible memory."""
    PARAMETER = 7
    """Put a parameter area into guest memory; the contents are not measured."""
    ERROR_RANGE = 8
    """Make memory host-visible for error reports."""
    VP_CONTEXT = 9
    """Set up a virtual processor from its context."""
    PARAMETER_AREA = 10
    """Make room for a parameter area, and give it its first contents."""
    PARAMETER_VALUE = 11
    """Write a parameter into an area."""
    REQUIRED_MEMORY = 12
    """See that the guest has this memory."""
    RELOCATION = 13
    """Be ready to move a region, or to rebuild page tables after a move."""
    POLICY = 14
    """Take the policy that the guest is launched with."""
    ENDORSEMENT = 15
    """Take who vouches for the guest: an ID block, a VBS measurement, a CoRIM document."""
    OTHER = 16
    """Something that the specification has no structure for."""
    KERNEL_HASHES = 17
    """Launch the hashes of kernel, initrd and command line, 176 bytes that are no page."""
    EXTENDED = 18
    """Measure the contents of pages that were imported before, which TDX does by itself."""
