namespace Pascl.Training.Pickling;

/// <summary>A constructor that a pickle may call.</summary>
internal delegate object PickledFunction(object?[] arguments);
