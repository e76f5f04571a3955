"""From raw survey and simulation files to a galgen suite: ``python -m data_prep --help``.

Each source is a room of its own with a frozen dataclass of its options, which reads its files into
catalogues one at a time (:mod:`data_prep.source`); what follows (parameters, cuts, splits, writing)
is shared. Only :mod:`galgen.data` and the ground floor are imported from the library.

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
