"""The base of data sets whose images, masks and partners are files, or members of archives and tables."""

from __future__ import annotations

from ganzoo.interfaces import OTHER, Dataset, DomainIO, ImageFile, Sample, Split
from ganzoo_datasets.files import Entries, notes_of, read_sample


class EntryDataset(Dataset):
    """A data set of entries; a subclass fills in ``entries`` and the attributes that say how they are read."""

    entries: Entries
    """(split, domain) → its images."""
    foreground: tuple[int, ...] | None = None
    """The classes that are the foreground in palette masks; None: all but 0."""

    def count(self, split: Split, domain: str) -> int:
        """Return the number of a split's images of a domain; 0 if there are none."""
        return len(self.entries[split, domain])

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image with its mask, label map and partner, if it has them.

        Raises GanzooError if an image cannot be read, if the sizes of these images differ, or if a value of a label map
        is not one of the classes.
        """
        return self.sample_to_scale(split, domain, index, 0)

    def sample_to_scale(self, split: Split, domain: str, index: int, side: int) -> Sample:
        """Read one image as ``sample`` does; a large JPEG that is alone is decoded at a smaller size."""
        return read_sample(
            self.entries[split, domain][index],
            self.channels[domain],
            self.foreground,
            classes=domain in self.classes,
            value_range=self.ranges.get(domain),
            other=self._form(OTHER[domain]) if self.paired else None,
            scaled_to=side,
        )

    def notes(self) -> list[str]:
        """Return what is left out of the images: pages, transparency, depth."""
        return notes_of(self.entries, self.ranges)

    def files_of(self, split: Split, domain: str, index: int) -> list[ImageFile]:
        """Return the files of one image, its masks and its partner."""
        return self.entries[split, domain][index].files

    def _form(self, domain: str) -> DomainIO:
        return DomainIO(self.channels[domain], self.classes.get(domain, 0), self.ranges.get(domain))
