"Batches of tensors that are in memory already."
from fastai.data.load import DataLoader


class TensorDataLoader(DataLoader):
    "A fastai `DataLoader` over a `TensorDataset` that takes each batch with one indexing operation"
    # An item is only its place; a batch is made of all places at once, and has its type already
    def create_item(self, i): return i
    def create_batch(self, idxs): return self.dataset[idxs]
    def retain(self, res, b): return res
