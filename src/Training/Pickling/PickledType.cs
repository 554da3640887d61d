namespace Pascl.Training.Pickling;

/// <summary>The element type of a NumPy array, for example <c>u1</c>.</summary>
internal sealed record PickledType(string Name) : IPickledState
{
    /// <summary>Byte order and padding, which no reader here needs: the one reads single bytes, the other no values.</summary>
    public void SetState(object? state)
    {
    }
}
