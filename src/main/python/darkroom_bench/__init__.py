"""Darkroom measured against diffusers: the study's nine configurations, their images, and the report."""
