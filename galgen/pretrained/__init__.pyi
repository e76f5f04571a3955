from galgen.pretrained.index import Listed as Listed
from galgen.pretrained.index import add_to_index as add_to_index
from galgen.pretrained.index import check_name as check_name
from galgen.pretrained.index import find_model as find_model
from galgen.pretrained.index import listed as listed
from galgen.pretrained.index import model_file as model_file
