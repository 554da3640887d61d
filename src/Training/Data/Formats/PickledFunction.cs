namespace Pascl.Training.Data.Formats;

/// <summary>A constructor that a pickle may call.</summary>
internal delegate object PickledFunction(object?[] arguments);
