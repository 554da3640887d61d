namespace Pascl.Training.Deployment.Serving;

/// <summary>A request that cannot be answered as it is, and what its sender can do about that.</summary>
internal sealed class RequestRefusal : Exception
{
    /// <summary>Refuses a request.</summary>
    /// <param name="code">Status code of the answer.</param>
    /// <param name="sentence">What is wrong, for the sender.</param>
    public RequestRefusal(int code, string sentence)
        : base(sentence) => Code = code;

    /// <summary>Status code of the answer.</summary>
    public int Code { get; }
}
