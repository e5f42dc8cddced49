"""The studio: a web page that translates images with trained runs, and shows runs that train (``ganzoo studio``).

It needs the extra ``ganzoo-i2i[studio]``, and nothing else of ganzoo imports it. What it shows and computes comes from
the parts that the command line uses: the pixels of a translation are those that ``ganzoo translate`` writes.
"""
