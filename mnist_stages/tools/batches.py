"Batches of tensors that are in memory already."
from fastai.data.load import DataLoader


class TensorDataLoader(DataLoader):
    "A fastai `DataLoader` over a `TensorDataset` that takes each batch with one indexing operation"
    # Nothing is done for one item: a batch is made of a list of places, and has its type already
    def create_batches(self, places): return map(self.do_batch, self.chunkify(places))
    def create_batch(self, idxs): return self.dataset[idxs]
    def retain(self, res, b): return res
