"How the notebooks' figures look, and what draws those that take more than a few lines."
import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt

#: Three of Okabe and Ito's colours, which colour-blind readers can tell apart
blue, orange, green = '#0072B2', '#E69F00', '#009E73'


def use_style():
    "Draw pictures like ink on paper (0 is white, the largest number black) and axes without a box"
    matplotlib.rc('image', cmap='gray_r')
    plt.rcParams.update({'font.size': 10, 'axes.spines.top': False, 'axes.spines.right': False})


def show_numbers(
    grid, # A picture, uint8 tensor `[h, w]`
    ax=None, # Matplotlib axes; new ones if `None`
): # The axes
    "Draw `grid` as a picture with the value of each pixel that has ink"
    if ax is None: ax = plt.subplots(figsize=(9, 9))[1]
    ax.imshow(grid)
    for (row, col), v in np.ndenumerate(grid.numpy()):
        if not v: continue
        colour = 'white' if v > 120 else 'black'
        ax.text(col, row, v, ha='center', va='center', fontsize=8, color=colour)
    h, w = grid.shape
    ax.set(xticks=range(0, w, 3), yticks=range(0, h, 3), xlabel='column', ylabel='row')
    return ax


def plot_runs(
    runs:dict, # For each name the accuracies of several starts, 0 to 1, or another measure
    colours:dict=None, # For each name its colour; blue if `None`
    ax=None, # Matplotlib axes; new ones if `None`
    xlabel:str='validation accuracy, %', # What is measured
    times:float=100, # What to multiply it by
): # The axes
    "A row of dots for each of `runs`, one dot for each start, so that spread and overlap show"
    if ax is None: ax = plt.subplots(figsize=(8, .4 + .42*len(runs)))[1]
    for i, (name, accs) in enumerate(runs.items()):
        colour = (colours or {}).get(name, blue)
        heights = i + np.linspace(-.2, .2, len(accs))
        marker = {blue: 'o', orange: 's', green: '^'}.get(colour, 'o')
        ax.plot(times*np.array(accs), heights, marker, color=colour, alpha=.7, ms=5)
    ax.set(yticks=range(len(runs)), yticklabels=list(runs), ylim=(len(runs) - .4, -.6), xlabel=xlabel)
    ax.grid(axis='x', alpha=.3)
    return ax


def plot_weights(
    panels:dict, # For each title a tensor that has as many elements as the picture has pixels
    limit=None, # Weight shown in full colour, blue if positive and red if negative; each panel's largest if `None`
    shape=(28, 28), # Height and width of the pictures
    nrows:int=1, # Rows of panels
    size:float=1.8, # Inches of a panel
): # The figure
    "Weights as pictures in red (negative) and blue (positive)"
    ncols = -(-len(panels)//nrows)
    fig, axs = plt.subplots(nrows, ncols, figsize=(size*ncols, 1.15*size*nrows), squeeze=False, layout='constrained')
    for ax in axs.flat: ax.axis('off')
    for ax, (title, v) in zip(axs.flat, panels.items()):
        most = v.abs().max() if limit is None else limit
        ax.imshow(v.detach().reshape(shape), cmap='RdBu', vmin=-most, vmax=most)
        ax.set_title(title, fontsize=9)
    return fig


def plot_regions(
    models:dict, # For each title a model that maps points `[n, 2]` to predictions `[n, 1]`
    points, # `[n, 2]`
    targets, # 0 or 1 for each point, `[n, 1]`
    bends:str=None, # Title of the model, linear then ReLU, whose bends are drawn as thin lines
): # The figure
    "Which side each model takes for every point of the plane"
    (x0, y0), (x1, y1) = points.amin(0) - .3, points.amax(0) + .3
    gx, gy = torch.meshgrid(torch.linspace(x0, x1, 200), torch.linspace(y0, y1, 200), indexing='xy')
    grid = torch.stack([gx, gy], -1).view(-1, 2)
    fig, axs = plt.subplots(1, len(models), figsize=(4.8*len(models), 3.4), squeeze=False)
    for ax, (title, model) in zip(axs.flat, models.items()):
        with torch.no_grad(): p = model(grid).sigmoid().view(gx.shape)
        ax.contourf(gx, gy, p, levels=[0, .5, 1], colors=[orange, blue], alpha=.25)
        for label, colour, marker in ((0, orange, 's'), (1, blue, 'o')):
            ax.scatter(*points[targets[:, 0] == label].T, s=8, color=colour, marker=marker)
        ax.set(title=title, xticks=[], yticks=[])
        if title != bends: continue
        for (w1, w2), b in zip(model[0].weight.tolist(), model[0].bias.tolist()):
            ax.contour(gx, gy, w1*gx + w2*gy + b, levels=[0], colors='0.45', linewidths=.7)
    return fig


# Notebook 00

def plot_differences(
    image, # A picture, float tensor `[h, w]`, 0 to 1
    others:dict, # For each title a picture to compare it with
): # The figure
    "How far `image` is from each of `others`, pixel by pixel: absolute differences (L1) and squared ones (L2)"
    fig, axs = plt.subplots(len(others), 4, figsize=(9, 2.6*len(others)), squeeze=False, layout='constrained')
    for row, (title, other) in zip(axs, others.items()):
        diff = image - other
        l1, l2 = diff.abs().mean(), (diff**2).mean().sqrt()
        panels = {'the picture': image, title: other, f'absolute difference\nL1 = {l1:.3f}': diff.abs(),
                  f'squared difference\nL2 = {l2:.3f}': diff**2}
        for ax, (said, o) in zip(row, panels.items()):
            ax.imshow(o, vmin=0, vmax=1)
            ax.set_title(said, fontsize=10)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color='0.8')
    return fig


def plot_nearer(
    panels:dict, # For each title two tensors `[n]`, the distances of `n` pictures from the first thing and the second
    is_first, # Which pictures really are the first, mask `[n]`
    names, # What the two things are called, such as `('three', 'seven')`
): # The figure
    "A dot for each picture: those above the diagonal are nearer to the first thing, those below it to the second"
    fig, axs = plt.subplots(1, len(panels), figsize=(4.7*len(panels), 4.4), squeeze=False, layout='constrained')
    looks = (is_first, blue, 'o', names[0]), (~is_first, orange, 's', names[1])
    for ax, (title, (to_first, to_second)) in zip(axs.flat, panels.items()):
        for mask, colour, marker, name in looks:
            look = dict(s=9, marker=marker, color=colour, alpha=.45, lw=0, label=f'a {name}')
            ax.scatter(to_first[mask], to_second[mask], **look)
        both = torch.cat([to_first, to_second])
        ends = [both.min().item(), both.max().item()]
        ax.plot(ends, ends, color='0.3', lw=1)
        ax.set(title=title, aspect='equal', xlabel=f'distance from the mean {names[0]}',
               ylabel=f'distance from the mean {names[1]}')
        ax.legend(loc='lower right', markerscale=2)
    return fig


# Notebook 01

def draw_steps(
    columns, # From left to right: for each column its tensors by name, one number each; the last holds the result
    figsize=(9, 2.6), # Inches
): # Matplotlib axes
    "Draw a computation graph: data and gradient in each box, and the slope of each step at its arrow"
    (result,) = columns[-1].values()
    ax = plt.subplots(figsize=figsize)[1]
    frame, boxes = dict(boxstyle='round,pad=.5', fc='white', ec='black'), {}
    look = dict(ha='center', va='center', fontsize=9, bbox=frame)
    for i, column in enumerate(columns):
        for j, (name, o) in enumerate(column.items()):
            [grad] = torch.autograd.grad(result, o, retain_graph=True)
            y = (len(column) - 1)/2 - j
            said = f'{name}\ndata {o.item():.3g}\ngrad {grad.item():.3g}'
            boxes[i, j] = i, y, ax.text(i, y, said, **look).get_bbox_patch()
    for i, (left, right) in enumerate(zip(columns, columns[1:])):
        for j, start in enumerate(left.values()):
            for k, end in enumerate(right.values()):
                if len(left) == len(right) and j != k: continue
                [slope] = torch.autograd.grad(end, start, retain_graph=True)
                (xa, ya, a), (xb, yb, b) = boxes[i, j], boxes[i + 1, k]
                for shift, colour, style in ((.08, blue, '->'), (-.08, orange, '<-')):
                    props = dict(arrowstyle=style, color=colour, patchA=a, patchB=b, lw=1.5)
                    ax.annotate('', (xb, yb + shift), (xa, ya + shift), arrowprops=props)
                said, middle = f'× {slope.item():.3g}', ((xa + xb)/2, (ya + yb)/2 - .16)
                ax.text(*middle, said, color='#8a5f00', ha='center', va='top')
    most = max(map(len, columns))
    ax.set(xlim=(-.45, len(columns) - .55), ylim=(-most/2 - .05, most/2 + .05))
    ax.axis('off')
    return ax


def plot_descents(
    f, # The curve, a function of one number or of a tensor
    paths:dict, # For each learning rate the points that were visited
    titles, # One for each learning rate
): # The figure
    "The steps of gradient descent on a curve, each panel on a scale of its own"
    fig, (axs,) = plt.subplots(1, len(paths), figsize=(3.4*len(paths), 2.8), squeeze=False, layout='constrained')
    for ax, (lr, xs), title in zip(axs, paths.items(), titles):
        most = 1.15*max(map(abs, xs))
        curve = torch.linspace(-most, most, 100)
        ax.plot(curve, f(curve), color='0.7')
        ax.plot(xs, [f(o) for o in xs], 'o-', color=blue, ms=4, lw=1)
        ax.plot(xs[0], f(xs[0]), 's', color=orange, ms=7, label='start')
        ax.set(title=f'lr {lr}: {title}', xlabel='x')
    axs[0].set_ylabel('f(x)')
    axs[0].legend(loc='upper center')
    return fig


def plot_fits(
    x, # Where something was measured
    y, # What was measured
    fits:dict, # For each title the fitted curve's heights at `x`
    losses, # The loss before each step
): # The figure
    "Measured points with fitted curves, and the loss along the way"
    fig, axs = plt.subplots(1, len(fits) + 1, figsize=(10, 2.6), layout='constrained')
    for ax, (title, fit) in zip(axs, fits.items()):
        ax.scatter(x, y, s=12, color='0.5')
        ax.plot(x, fit, color=blue)
        ax.set(title=title, xlabel='seconds')
        ax.sharey(axs[0])
    axs[0].set_ylabel('metres')
    axs[-1].plot(losses, color=orange)
    axs[-1].set(title='loss', xlabel='step', yscale='log')
    return fig


def show_answers(
    images, # Pictures, `[n, 28, 28]` or `[n, 784]`
    probs, # For each the probability of a three
    targets, # 1 for a three, 0 for a seven, for each
): # The figure
    "Pictures of threes and sevens, each with the answer and how sure it is; wrong ones in bold, with what it is"
    n = len(images)
    fig, (axs,) = plt.subplots(1, n, figsize=(11, min(11/n, 3) + .5), squeeze=False, layout='constrained')
    for ax, image, p, target in zip(axs, images, probs.flatten().tolist(), targets.flatten().tolist()):
        ax.imshow(image.view(28, 28))
        ax.axis('off')
        wrong, said = (p > .5) != target, 'three' if p > .5 else 'seven'
        if wrong: said = f'is {3 if target else 7}, says {3 if p > .5 else 7}'
        ax.set_title(f'{said}\n{max(p, 1 - p):.1%}', fontsize=9,
                     color='#A03800' if wrong else 'black', weight='bold' if wrong else 'normal')
    return fig


def plot_losses(
    curves:dict, # For each name one loss for each epoch
    ax=None, # Matplotlib axes; new ones if `None`
): # The axes
    "Losses after each epoch"
    if ax is None: ax = plt.subplots(figsize=(6.5, 3), layout='constrained')[1]
    for (name, losses), style, colour in zip(curves.items(), ('o-', 's--', '^:'), (orange, blue, green)):
        ax.plot(range(1, len(losses) + 1), losses, style, color=colour, ms=4, label=name)
    ax.set(xlabel='epoch', ylabel='loss', ylim=0)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=.3)
    ax.legend()
    return ax


def plot_starts(
    curves:dict, # For each name the curves of several starts, `[starts, n]`
    x:dict=None, # For each name where on the x-axis its values stand, `[starts, n]`; 1, 2, 3 ... if `None`
    ax=None, # Matplotlib axes; new ones if `None`
    loc='best', # Where the legend stands; none if `None`
    **axes, # What else to set, such as `xlabel='epoch'`
): # The axes
    "A thin line for each start, those of one name in one colour"
    if ax is None: ax = plt.subplots(figsize=(6.5, 3), layout='constrained')[1]
    for (name, runs), style, colour in zip(curves.items(), ('o-', 's--', '^:'), (blue, orange, green)):
        for i, run in enumerate(runs):
            places = range(1, len(run) + 1) if x is None else x[name][i]
            label = f'_{i}' if i else name          # names that begin with _ stay out of the legend
            ax.plot(places, run, style, color=colour, ms=3 if len(run) > 1 else 8, lw=.9, alpha=.6, label=label)
    if x is None: ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(**axes)
    ax.grid(alpha=.3)
    if loc: ax.legend(fontsize=9, loc=loc)
    return ax


def plot_batch_sizes(
    logs:dict, # For each name the logs of several starts, with `log.accuracy` and `log.seconds` after each epoch
): # The figure
    "Accuracy at equal numbers of pictures, and at equal time"
    fig, axs = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout='constrained')
    percent = {name: [100*o.accuracy for o in starts] for name, starts in logs.items()}
    seconds, ticks = {name: [o.seconds for o in starts] for name, starts in logs.items()}, [1, 2, 5, 10, 20, 50]
    plot_starts(percent, ax=axs[0], loc=None, xlabel='epochs (times that each picture was seen)',
                ylabel='accuracy, %', xscale='log', xticks=ticks, xticklabels=ticks)
    ticks = [.05, .1, .2, .5, 1, 2, 5]
    plot_starts(percent, seconds, axs[1], None, xlabel='seconds of training', xscale='log', xticks=ticks,
                xticklabels=ticks)
    fig.legend(*axs[0].get_legend_handles_labels(), loc='outside upper center', ncols=len(logs))
    return fig


def plot_walks(
    loss, # Function of two tensors of one shape, the two parameters, with a result of that shape
    walks:dict, # For each title the points that were visited, `[steps + 1, 2]`
    lowest, # The point where the loss is smallest
    levels, # Losses of the lines
): # The figure
    "Ways down a loss with two parameters, on a map with lines of equal loss"
    a, b = torch.meshgrid(torch.linspace(-2, 4.5, 80), torch.linspace(-2, 3.5, 80), indexing='xy')
    fig, axs = plt.subplots(1, len(walks), figsize=(11, 3.4), sharey=True, squeeze=False, layout='constrained')
    for ax, (title, points) in zip(axs[0], walks.items()):
        ax.contour(a, b, loss(a, b), levels=levels, colors='0.75', linewidths=1)
        ax.plot(*points.T, 'o-', color=blue, ms=3, lw=1)
        ax.plot(*lowest, 'x', color='black', ms=9, mew=2)
        ax.set(title=title, xlabel='a', aspect='equal')
    axs[0, 0].set_ylabel('b')
    return fig


# Notebook 02

def plot_curves(
    curves:dict, # For each name the values of its curve, one after the other
    x=None, # Where on the x-axis the values stand; 1, 2, 3 ... if `None`
    ax=None, # Matplotlib axes; new ones if `None`
    marker:str='', # Matplotlib marker for each value
    shade=(), # Stretches of the x-axis to shade, `(start, end)` each
    note:str='', # What to write at the foot of each shaded stretch
    loc:str='best', # Where the legend stands
    **axes, # What else to set, such as `xlabel='epoch'`
): # The axes
    "Curves on one pair of axes, told apart by colour and by the kind of line"
    if ax is None: ax = plt.subplots(figsize=(6, 3))[1]
    looks = [(blue, '-'), (orange, '--'), (green, ':'), ('black', '-.')]
    for (name, values), (colour, style) in zip(curves.items(), looks):
        places = range(1, len(values) + 1) if x is None else x
        ax.plot(places, values, style, color=colour, marker=marker, ms=3, label=name)
    if x is None: ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(**axes)
    for start, end in shade:
        ax.axvspan(start, end, color='0.92', zorder=0)
        where = dict(xycoords=('data', 'axes fraction'), textcoords='offset points')
        ax.annotate(note, (start, 0), (4, 4), fontsize=9, **where)
    if len(curves) > 1: ax.legend(fontsize=9, loc=loc)
    return ax


# Notebook 03

def plot_panels(
    panels:dict, # For each title the curves of a panel: `{label: y}`, or `{label: (x, y)}`
    x=None, # Where the curves were measured, if they do not say it themselves
    xlabel:str='', # What is on the horizontal axes
    size=(10, 2.9), # Inches of the figure
): # The axes, an array
    "Curves in panels side by side, with a legend in each that has labels to show (those without an underscore)"
    fig, axs = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout='constrained')
    for ax, (title, curves) in zip(axs[0], panels.items()):
        colours = [blue, orange, green] if len(curves) < 4 else plt.cm.viridis(np.linspace(0, .95, len(curves)))
        styles = ['-', '--', '-.'] if len(curves) < 4 else ['-']*len(curves)
        for colour, style, (label, y) in zip(colours, styles, curves.items()):
            at, y = y if isinstance(y, tuple) else (x, y)
            ax.plot(at, y, style, color=colour, label=label, lw=2)
        ax.set(title=title, xlabel=xlabel)
        ax.grid(alpha=.3)
        if any(not label.startswith('_') for label in curves): ax.legend(fontsize=9)
    return axs[0]


def draw_net(
    values, # `x`, `A`, `z`, `h`, `B`, `preds` of one input in a net with a hidden layer
    slopes, # For each the slope of the loss against it; `None` where there is none to show
): # Matplotlib axes
    "Draw a small net for one input: each number in blue, and under it the slope of the loss against it in orange"
    (x, A, z, h, B, preds), (_, dA, dz, dh, dB, d) = values, slopes
    ax = plt.subplots(figsize=(10, 4))[1]

    def note(at, name, value, slope, **look):
        ax.text(*at, f'{name} {value:.4g}', color=blue, ha='center', va='bottom', fontsize=10, zorder=3, **look)
        if slope is not None:
            said = f'slope {slope + 0.:.4g}'
            ax.text(*at, said, color='#9a6a00', ha='center', va='top', fontsize=10, zorder=3, **look)
    columns = [('x', x, None), ('z', z, dz), ('h', h, dh), ('prediction', preds, d)]
    places = []
    for col, (name, v, dv) in enumerate(columns):
        n = v.shape[1]
        places.append([(3*col, 1.5*(n - 1) - 3*i) for i in range(n)])
        for i, at in enumerate(places[-1]):
            ax.scatter(*at, s=5200, fc='white', ec='black', zorder=2)
            label = (f'{name}{i + 1}' if n > 1 else name) + (' =' if n > 1 else '\n')
            note(at, label, v[0, i].item(), None if dv is None else dv[0, i].item())
    plain = dict(backgroundcolor='white')
    for left, right, w, dw in ((0, 1, A, dA), (1, 2, None, None), (2, 3, B, dB)):
        for i, start in enumerate(places[left]):
            for j, end in enumerate(places[right]):
                if w is None and i != j: continue
                ax.plot(*zip(start, end), color='0.6', zorder=1)
                share = .5 if i == j or right == 3 else .32
                at = [a + share*(b - a) for a, b in zip(start, end)]
                if w is None: ax.text(*at, 'ReLU', ha='center', va='center', fontsize=10, **plain)
                else: note(at, '×', w[i, j].item(), dw[i, j].item(), bbox=dict(fc='white', ec='none', pad=.5))
    ax.set(xlim=(-.8, 9.9), ylim=(-2.6, 2.6))
    ax.axis('off')
    return ax


# Notebook 04

def plot_confusion(
    targets, # The right class of each picture, int64 `[n]`
    answers, # What was said, int64 `[n]`
    classes:int=10, # How many classes there are
): # The axes
    "How often each class (row) was taken for each other (column); what was right is left blank"
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (np.asarray(targets), np.asarray(answers)), 1)
    np.fill_diagonal(counts, 0)
    ax = plt.subplots(figsize=(5, 4.6))[1]
    ax.imshow(counts, cmap='Blues')
    for (row, col), n in np.ndenumerate(counts):
        if row == col: ax.add_patch(plt.Rectangle((col - .5, row - .5), 1, 1, color='0.9'))
        if n: ax.text(col, row, n, ha='center', va='center', color='white' if n > .6*counts.max() else 'black')
    ax.set(xticks=range(classes), yticks=range(classes), xlabel='the network says', ylabel='it is')
    return ax


def plot_cycle(
    seen, # Training images seen at each of `accs`
    accs, # Accuracy along the way, 0 to 1
    lrs, # Learning rate of each batch
): # The figure
    "Accuracy along the way, and beside it the learning rate of each batch"
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), sharex=True, layout='constrained')
    left.plot(seen, 100*np.array(accs), 'o-', ms=4, color=blue)
    left.set(xlabel='training images seen', ylabel='accuracy, %')
    right.plot(np.arange(len(lrs))*seen[-1]/len(lrs), lrs, color=blue)
    right.set(xlabel='training images seen', ylabel='learning rate')
    return fig


def plot_shares(
    shares:dict, # For each of two names a share, 0 to 1, for each class
    ylabel:str='right, %', # What the shares say
): # The axes
    "Bars side by side: two shares for each class"
    ax = plt.subplots(figsize=(8, 2.8))[1]
    for shift, colour, (name, each) in zip((-.2, .2), (blue, orange), shares.items()):
        ax.bar(np.arange(len(each)) + shift, 100*np.array(each), .38, color=colour, label=name)
    ax.set(xticks=range(len(each)), xlabel='digit', ylabel=ylabel, ylim=(0, 118), yticks=range(0, 101, 25))
    ax.legend(loc='upper center', ncol=2, frameon=False)
    return ax


def plot_windows(
    sizes, # Heights of the maps
    kernel:int=3, # Rows of the window, in its first place
    padding:int=1, # Rows of zeros around the map
): # The figure
    "Square maps with their padding, and a window in its first place on each"
    fig, axs = plt.subplots(1, len(sizes), figsize=(2.8*len(sizes), 2.6), squeeze=False)
    for ax, size in zip(axs.flat, sizes):
        side = size + 2*padding
        inside = np.pad(np.ones((size, size)), padding)
        ax.imshow(inside, cmap='Blues', vmin=0, vmax=2, extent=(0, side, side, 0))
        for (row, col), v in np.ndenumerate(inside):
            ax.text(col + .5, row + .5, 'pixel' if v else '0', ha='center', va='center', fontsize=9)
        ax.add_patch(plt.Rectangle((.04, .04), kernel - .08, kernel - .08, fill=False, ec=orange, lw=4))
        ax.set(title=f'{size} × {size}, with padding', xticks=range(side + 1), yticks=range(side + 1),
               xticklabels=[], yticklabels=[])
        ax.grid(color='0.6')
    return fig


def plot_steps(
    pictures:dict, # For each title a picture, 0 to 1
    mark=None, # Where to put a cross on the last one, `(x, y)`
): # The figure
    "Pictures in a row with their edges"
    fig, (axs,) = plt.subplots(1, len(pictures), figsize=(2*len(pictures), 2.4), squeeze=False)
    for ax, (title, picture) in zip(axs, pictures.items()):
        ax.imshow(picture, vmin=0, vmax=1)
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    if mark: axs[-1].plot(*mark, '+', color=orange, ms=14, mew=2)
    return fig


def plot_verdicts(
    pictures, # `[n, h, w]`
    labels, # The right digit of each, `[n]`
    probs, # What each model says, `[models, n, 10]`
    names, # What to call the models
): # The figure
    "Pictures in a row, and below each what every model says and how sure it is; blue is right, orange is wrong"
    fig, axs = plt.subplots(2, len(pictures), figsize=(11, 4.4), height_ratios=[1, 1.7], squeeze=False)
    two = matplotlib.colors.ListedColormap([orange, blue])
    for i, (ax, below) in enumerate(axs.T):
        ax.imshow(pictures[i])
        ax.set_title(f'a {labels[i]}')
        ax.axis('off')
        answers = probs[:, i].argmax(1)
        below.imshow((answers == labels[i])[:, None].float(), cmap=two, vmin=0, vmax=1, alpha=.45, aspect='auto')
        for row, (digit, sure) in enumerate(zip(answers, probs[:, i].amax(1))):
            below.text(0, row, f'{digit}  {sure:.0%}', ha='center', va='center')
        below.set(xticks=[], yticks=[])
    axs[1, 0].set_yticks(range(len(names)), names)
    return fig
