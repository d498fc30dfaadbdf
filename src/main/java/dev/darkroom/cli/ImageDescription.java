package dev.darkroom.cli;
