namespace Pascl.Kernels.Vectors;

/// <summary>Two sums in each lane: of gradients, and of gradients times the input's distance from its mean.</summary>
internal readonly struct LaneSums<TLanes>(TLanes gradient, TLanes product)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly TLanes Gradient = gradient;
    public readonly TLanes Product = product;

    public LaneSums<One> Lane(int index) => new(new One(Gradient.Lane(index)), new One(Product.Lane(index)));

    public LaneSums<One> All() => new(new One(Gradient.Sum()), new One(Product.Sum()));
}

internal readonly struct AddLaneSums<TLanes> : IMerge<LaneSums<TLanes>>
    where TLanes : unmanaged, ILanes<TLanes>
{
    public LaneSums<TLanes> Merge(LaneSums<TLanes> left, LaneSums<TLanes> right) => new(left.Gradient + right.Gradient, left.Product + right.Product);
}
