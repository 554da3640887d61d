namespace Pascl.Training.Pickling;

/// <summary>A value that a pickle makes first and fills afterwards.</summary>
internal interface IPickledState
{
    /// <summary>Takes what the pickle says of it.</summary>
    void SetState(object? state);
}
