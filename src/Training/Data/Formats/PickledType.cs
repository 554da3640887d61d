namespace Pascl.Training.Data.Formats;

/// <summary>The element type of a pickled array, for example <c>u1</c>.</summary>
internal sealed record PickledType(string Name);
