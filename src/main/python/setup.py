"""The package has Darkroom's version, which `pom.xml` states."""

import xml.etree.ElementTree
from pathlib import Path

from setuptools import setup

POM = Path(__file__).parents[3] / "pom.xml"

setup(version=xml.etree.ElementTree.parse(POM).findtext("{http://maven.apache.org/POM/4.0.0}version"))
