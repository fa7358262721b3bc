"Batches of tensors that are in memory already."
import torch
from fastai.data.load import DataLoader


class TensorDataLoader(DataLoader):
    "A fastai `DataLoader` over a `TensorDataset` that takes each batch with one indexing operation"
    # Nothing is done for one item: a batch is made of its places in the dataset, and has its type already
    def create_batches(self, places): return map(self.do_batch, self.chunkify(places))
    def chunkify(self, places):
        parts = torch.tensor([*places], dtype=torch.int64).split(self.bs)
        return [o for o in parts if len(o) == self.bs or len(o) and not self.drop_last]
    def create_batch(self, places):
        return tuple(o.index_select(0, places.to(o.device)) for o in self.dataset.tensors)  # twice as fast as o[places]
    def retain(self, res, b): return res
