"Batches of tensors that are in memory already."
import torch
from fastai.data.load import DataLoader
from torch.utils.data import TensorDataset


class TensorDataLoader(DataLoader):
    "A fastai `DataLoader` over a `TensorDataset`: a batch is taken out of its tensors at once, no item alone"
    def create_batches(self, places): return map(self.do_batch, self.chunkify(places))
    def create_batch(self, places):
        if self.prebatched or type(self.dataset) is not TensorDataset: return self.dataset[places]
        # In half the time of `o[places]` or less; and places are counted from 0, never from the end
        places = torch.tensor(places)
        return tuple(o.index_select(0, places.to(o.device)) for o in self.dataset.tensors)
    def retain(self, res, b): return res      # it has its type already
