"""Where the jobs of the loop run: submitters, the local spark-submit, the Spark session, and what programs share."""

from nightshift.compute.installed_pyspark import drop_packed_pyspark

drop_packed_pyspark()  # here, since no program imports PySpark before this package
