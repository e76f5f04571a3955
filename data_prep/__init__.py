"""From raw survey and simulation files to a galgen suite: ``python -m data_prep --help``.

Each source is a frozen dataclass of its options. It reads its files into catalogues, one at a time
(:mod:`data_prep.source`). What follows is shared: parameters, cuts, splits and writing
(:mod:`data_prep.preparation`). Sources are in three folders: ``simulations``, ``surveys`` and
``tables``, which also opens tables of any format for the other two. Only :mod:`galgen.data` and the
ground floor are imported from the library.

============= ====================================================================================
source        files
============= ====================================================================================
quijote       friends-of-friends groups of Gadget, ``group_tab_*``
rockstar      ``out_*.list`` of Rockstar, ``hlist_*.list`` of consistent-trees
subfind       group catalogues in HDF5: CAMELS, IllustrisTNG, AREPO, Gadget-4
abacus        ``halo_info_*.asdf`` of AbacusSummit
cosmobench    point clouds of CosmoBench, HDF5
npy           arrays and cosmologies of arXiv:2311.17141
fastfood      binaries of Corrfunc
survey        catalogues of SDSS, BOSS, eBOSS, DESI, with weights and randoms
table         text, CSV, ECSV, FITS, Parquet, NumPy, compressed or not
============= ====================================================================================
"""
