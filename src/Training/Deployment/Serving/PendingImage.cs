namespace Pascl.Training.Deployment.Serving;

/// <summary>An image that waits for its batch.</summary>
/// <param name="Pixels">(size, size, 3) bytes.</param>
/// <param name="Cancellation">Set when nobody waits for the answer any more.</param>
internal sealed record PendingImage(byte[] Pixels, CancellationToken Cancellation)
{
    // Continuations must not run on the thread that scores.
    private readonly TaskCompletionSource<ImageScore> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends with the score, or with what kept the model from scoring.</summary>
    public Task<ImageScore> Answer => answer.Task;

    /// <summary>Hands the score to who waits for it.</summary>
    public void Finish(ImageScore score) => answer.TrySetResult(score);

    /// <summary>Hands on why there is no score.</summary>
    public void Fail(Exception exception) => answer.TrySetException(exception);
}
