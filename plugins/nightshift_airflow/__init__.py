"""Nightshift in Airflow: everything that imports Airflow is here, and nothing else is."""
